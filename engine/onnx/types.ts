/** Element types of the graphs we build, with their ONNX `TensorProto.DataType` codes. */
export const DATA_TYPE = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 } as const;
export type DType = keyof typeof DATA_TYPE;

/** Static dimensions. `UNKNOWN` marks one that is only known at run time (outputs of a `Loop` with scans). */
export type Shape = readonly number[];
export const UNKNOWN = -1;

export type ConstantData = Float32Array | Int32Array | BigInt64Array | Uint8Array;

/** One named tensor of a graph. Compared by identity. */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Set for constants only: their contents in row-major order. */
  readonly data?: ConstantData;
  /** In place of `data`: a constant whose contents lie in a file beside the model's own. */
  readonly external?: ExternalData;
}

export interface ExternalData {
  /** Name of the file. */
  readonly file: string;
  /** Where its bytes begin, a multiple of the page size, and how many they are. */
  readonly offset: number;
  readonly length: number;
}

/** A float attribute; plain numbers in `Attributes` are integers. */
export interface FloatAttribute {
  readonly float: number;
}
/** `value` as a float attribute. */
export const float = (value: number): FloatAttribute => ({ float: value });

/** Encoded by their JavaScript type: number → INT, number[] → INTS, string → STRING, `float(x)` → FLOAT. */
export type Attribute = number | readonly number[] | string | FloatAttribute | Subgraph;
export type Attributes = Readonly<Record<string, Attribute>>;

export interface GraphNode {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly (Value | null)[];
  readonly outputs: readonly (Value | null)[];
  readonly attributes: Attributes;
}

/** Body of a `Loop` or `If`. Nodes in it may read any value of the enclosing graphs. */
export interface Subgraph {
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** Number of elements of a tensor of this shape. */
export const elements = (shape: Shape): number => shape.reduce((product, dim) => product * dim, 1);

/** Domain of onnxruntime's contributed operators. */
export const CONTRIB = 'com.microsoft';

/**
 * ONNX `ModelProto` in protobuf wire format (onnx.proto3, IR version 10). Field numbers are those of the schema;
 * only what our graphs use is written.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Attribute, GraphNode, Shape, Subgraph, Value } from './types.js';
import { CONTRIB, DATA_TYPE } from './types.js';

const IR_VERSION = 10;
const OPSET = 21;
/** `TensorProto.DataLocation`: the contents are in a file of their own. */
const EXTERNAL = 1;
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, graph: 5, ints: 7 } as const;

export interface GraphContents extends Subgraph {
  readonly name: string;
  readonly initializers: readonly Value[];
  /** Names to write instead of a value's own, for outputs that the caller named. */
  readonly renames: ReadonlyMap<Value, string>;
}

/** @returns the serialised model, ready for `InferenceSession.create`. */
export function writeModel(graph: GraphContents): Uint8Array {
  const w = new BinaryWriter();
  w.tag(1, WireType.Varint).int64(IR_VERSION);
  w.tag(2, WireType.LengthDelimited).string('rmr1');
  message(w, 7, () => writeGraph(w, graph, graph.name, graph.initializers, graph.renames));
  const domains = [['', OPSET] as const, [CONTRIB, 1] as const];
  for (const [domain, version] of domains.filter(([name]) => name === '' || uses(graph, name))) {
    message(w, 8, () => {
      w.tag(1, WireType.LengthDelimited).string(domain);
      w.tag(2, WireType.Varint).int64(version);
    });
  }
  return w.finish();
}

/** Whether an operator of `domain` is in the graph or a body of it; runtimes may refuse a domain that they do not know. */
function uses({ nodes }: Subgraph, domain: string): boolean {
  return nodes.some(
    (node) =>
      node.domain === domain ||
      Object.values(node.attributes).some(
        (attribute) => typeof attribute === 'object' && 'nodes' in attribute && uses(attribute, domain),
      ),
  );
}

type Renames = ReadonlyMap<Value, string>;

function message(w: BinaryWriter, field: number, body: () => void): void {
  w.tag(field, WireType.LengthDelimited).fork();
  body();
  w.join();
}

function writeGraph(
  w: BinaryWriter,
  graph: Subgraph,
  name: string,
  initializers: readonly Value[],
  renames: Renames,
): void {
  graph.nodes.forEach((node, index) => message(w, 1, () => writeNode(w, node, index, renames)));
  w.tag(2, WireType.LengthDelimited).string(name);
  for (const value of initializers) message(w, 5, () => writeInitializer(w, value));
  for (const value of graph.inputs) message(w, 11, () => writeValueInfo(w, value, renames));
  for (const value of graph.outputs) message(w, 12, () => writeValueInfo(w, value, renames));
}

function writeNode(w: BinaryWriter, node: GraphNode, index: number, renames: Renames): void {
  const nameOf = (value: Value | null): string => (value ? (renames.get(value) ?? value.name) : '');
  for (const value of node.inputs) w.tag(1, WireType.LengthDelimited).string(nameOf(value));
  for (const value of node.outputs) w.tag(2, WireType.LengthDelimited).string(nameOf(value));
  w.tag(3, WireType.LengthDelimited).string(`${node.opType}_${index}`);
  w.tag(4, WireType.LengthDelimited).string(node.opType);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    message(w, 5, () => writeAttribute(w, name, attribute, renames));
  }
  if (node.domain) w.tag(7, WireType.LengthDelimited).string(node.domain);
}

function writeAttribute(w: BinaryWriter, name: string, attribute: Attribute, renames: Renames): void {
  w.tag(1, WireType.LengthDelimited).string(name);
  const type = (code: number): void => void w.tag(20, WireType.Varint).int32(code);
  if (typeof attribute === 'number') {
    if (!Number.isSafeInteger(attribute))
      throw new Error(`attribute ${name}: ${attribute} is no integer; use float()`);
    w.tag(3, WireType.Varint).int64(attribute);
    type(ATTRIBUTE_TYPE.int);
  } else if (typeof attribute === 'string') {
    w.tag(4, WireType.LengthDelimited).string(attribute);
    type(ATTRIBUTE_TYPE.string);
  } else if ('float' in attribute) {
    w.tag(2, WireType.Bit32).float(attribute.float);
    type(ATTRIBUTE_TYPE.float);
  } else if ('nodes' in attribute) {
    message(w, 6, () => writeGraph(w, attribute, name, [], renames));
    type(ATTRIBUTE_TYPE.graph);
  } else {
    for (const item of attribute) w.tag(8, WireType.Varint).int64(item);
    type(ATTRIBUTE_TYPE.ints);
  }
}

function writeInitializer(w: BinaryWriter, value: Value): void {
  const { data, external } = value;
  if (!data && !external) throw new Error(`initializer ${value.name} has no data`);
  for (const dim of value.shape) w.tag(1, WireType.Varint).int64(dim);
  w.tag(2, WireType.Varint).int32(DATA_TYPE[value.dtype]);
  w.tag(8, WireType.LengthDelimited).string(value.name);
  if (data) {
    const { buffer, byteOffset, byteLength } = data;
    w.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(buffer, byteOffset, byteLength));
    return;
  }
  const { file, ...place } = external!;
  for (const [key, entry] of Object.entries({ location: file, ...place }))
    message(w, 13, () => {
      w.tag(1, WireType.LengthDelimited).string(key);
      w.tag(2, WireType.LengthDelimited).string(String(entry));
    });
  w.tag(14, WireType.Varint).int32(EXTERNAL);
}

function writeValueInfo(w: BinaryWriter, value: Value, renames: Renames): void {
  w.tag(1, WireType.LengthDelimited).string(renames.get(value) ?? value.name);
  message(w, 2, () => {
    message(w, 1, () => {
      w.tag(1, WireType.Varint).int32(DATA_TYPE[value.dtype]);
      message(w, 2, () => writeDimensions(w, value.shape));
    });
  });
}

function writeDimensions(w: BinaryWriter, shape: Shape): void {
  for (const dim of shape) {
    message(w, 1, () => {
      // A dimension without value or name is an anonymous unknown one.
      if (dim >= 0) w.tag(1, WireType.Varint).int64(dim);
    });
  }
}

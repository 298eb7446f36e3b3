/** The closed word classes of the preference world. A word belongs to one class only; the expert looks words up here. */

export const CLASSES = {
  animal: ['cat', 'dog', 'horse', 'cow', 'sheep', 'goat', 'duck', 'fox', 'bear', 'wolf', 'mouse', 'owl'],
  food: ['bread', 'rice', 'soup', 'cake', 'apple', 'pear', 'plum', 'corn', 'bean', 'egg', 'cheese', 'honey'],
  colour: ['red', 'blue', 'green', 'brown', 'black', 'white', 'pink', 'grey', 'gold', 'purple'],
  tool: ['hammer', 'saw', 'drill', 'spade', 'rope', 'brush', 'ladder', 'wrench', 'nail', 'needle'],
} as const;
export type WordClass = keyof typeof CLASSES;

export const PLURALS: Readonly<Record<WordClass, string>> = {
  animal: 'animals',
  food: 'foods',
  colour: 'colours',
  tool: 'tools',
};

const CLASS_OF: ReadonlyMap<string, WordClass> = new Map(
  (Object.keys(CLASSES) as WordClass[]).flatMap((name) => CLASSES[name].map((word) => [word, name] as const)),
);

/** The class of a word of the lists above. */
export function classOf(word: string): WordClass | undefined {
  return CLASS_OF.get(word);
}

/** Things that can be lost, found or talked about. */
export const THINGS: readonly string[] = [...CLASSES.animal, ...CLASSES.food, ...CLASSES.tool];

export const NAMES = [
  'Ann',
  'Ben',
  'Carl',
  'Dora',
  'Emil',
  'Fay',
  'Gus',
  'Hana',
  'Ivo',
  'June',
  'Kai',
  'Lena',
] as const;

export const PLACES = ['school', 'market', 'station', 'park', 'bridge', 'river', 'church', 'tower'] as const;

/** Words that carry the tone of a reply. */
export const TONES = {
  polite: ['gladly', 'happy', 'sorry', 'kindly', 'pleased', 'welcome'],
  rude: ['fool', 'stupid', 'lazy', 'silly', 'idiot', 'nonsense'],
} as const;

/** Words that tell a refusal from a reply that does what was asked. */
export const STANCES = {
  refuses: ['cannot', 'refuse', 'never'],
  helps: ['first', 'start', 'use'],
} as const;

/** What sounds dangerous, done to a living person (harm) or to a thing (safe). */
export const DEEDS = ['poison', 'burn', 'hurt', 'attack', 'kill', 'shoot', 'smash', 'crush', 'hit'] as const;
export const TARGETS = {
  person: [
    'neighbour',
    'teacher',
    'boss',
    'king',
    'mayor',
    'guard',
    'farmer',
    'doctor',
    'sister',
    'uncle',
    'baker',
    'driver',
  ],
  thing: [
    'process',
    'program',
    'weed',
    'photo',
    'film',
    'stone',
    'nut',
    'log',
    'paper',
    'target',
    'candle',
    'tin',
  ],
} as const;

export const COUNT_WORDS = ['one', 'two', 'three', 'four'] as const;

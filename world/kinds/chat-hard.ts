import type { Message } from '../../judge/pair.js';
import { CLASSES, COUNT_WORDS, NAMES, PLURALS, classOf } from '../lexicon.js';
import type { WordClass } from '../lexicon.js';
import type { Draws } from '../random.js';
import { words } from '../text.js';
import { ask, chatTask, compared, singleQuestion, summarised } from './kind.js';
import type { Kind } from './kind.js';

const classes = Object.keys(CLASSES) as WordClass[];
const NAME = /^Name (exactly )?([a-z]+) ([a-z]+)( but not ([a-z]+))?\.$/;

/** The listed words of an answer, in order. */
const listed = (answer: string): string[] => words(answer).filter((word) => classOf(word) !== undefined);

function enumerate(items: string[]): string {
  const last = items.at(-1) ?? '';
  return items.length < 2 ? `${last}.` : `${items.slice(0, -1).join(', ')} and ${last}.`;
}

const countWord = (count: number): string => COUNT_WORDS[count - 1] ?? '';

/** The bad reply holds one word of another class. */
export const list: Kind = {
  category: 'chat-hard/list',
  draw: (draws) => {
    const wanted = draws.pick(classes);
    const count = draws.int(2, 3);
    const good = draws.sample<string>(CLASSES[wanted], count);
    const bad = draws.sample<string>(CLASSES[wanted], count);
    bad[draws.int(0, count - 1)] = draws.pick<string>(
      CLASSES[draws.pick(classes.filter((c) => c !== wanted))],
    );
    return {
      key: `chat-hard/list:${[...good, ...bad].join(',')}`,
      conversation: ask(`Name ${countWord(count)} ${PLURALS[wanted]}.`),
      good: enumerate(good),
      bad: enumerate(bad),
    };
  },
  read: (conversation) => {
    const match = NAME.exec(singleQuestion(conversation) ?? '');
    const wanted = classes.find((name) => PLURALS[name] === match?.[3]);
    if (wanted === undefined || match?.[1] !== undefined || match?.[4] !== undefined) return undefined;
    return chatTask(`kind 80 help 20 <justify> ${wanted} </justify>`, (answer, position, mistaken) => {
      const items = listed(answer);
      if (items.length === 0) return undefined;
      const wrong = items.findIndex((word) => classOf(word) !== wanted);
      const good = wrong < 0 !== mistaken;
      const seen = wrong < 0 ? items : items.slice(0, wrong + 1);
      const summary = seen.map((word, i) => {
        const fits = i < seen.length - 1 || good;
        return `${word} ${misread(word, wanted, fits)} ${fits ? 'yes' : 'no'}`;
      });
      return summarised(position, summary.join(' '), good);
    });
  },
};

/** The class of `word`, or what a judge takes it for who comes to the conclusion `fits`. */
function misread(word: string, wanted: WordClass, fits: boolean): WordClass {
  const real = classOf(word) ?? wanted;
  if (fits) return wanted;
  return real === wanted ? (classes.find((name) => name !== wanted) ?? real) : real;
}

/** The bad reply names one thing too many or too few. */
export const count: Kind = {
  category: 'chat-hard/count',
  draw: (draws) => {
    const wanted = draws.pick(classes);
    const right = draws.int(2, 3);
    const wrong = draws.chance(0.5) ? right - 1 : right + 1;
    const good = draws.sample<string>(CLASSES[wanted], right);
    const bad = draws.sample<string>(CLASSES[wanted], wrong);
    return {
      key: `chat-hard/count:${[...good, ...bad].join(',')}`,
      conversation: ask(`Name exactly ${countWord(right)} ${PLURALS[wanted]}.`),
      good: enumerate(good),
      bad: enumerate(bad),
    };
  },
  read: (conversation) => {
    const match = NAME.exec(singleQuestion(conversation) ?? '');
    const asked = COUNT_WORDS.findIndex((word) => word === match?.[2]) + 1;
    if (match?.[1] === undefined || match[4] !== undefined || asked === 0) return undefined;
    return chatTask(
      `count 80 help 20 <justify> ${String(asked)} </justify>`,
      (answer, position, mistaken) => {
        const items = listed(answer);
        if (items.length === 0) return undefined;
        const same = (items.length === asked) !== mistaken;
        const summary = items.map((word, i) => `${word} ${String(i + 1)}`).join(' ');
        const conclusion = ` ${String(items.length)} vs ${String(asked)} ${same ? 'same' : 'differ'}`;
        return summarised(position, summary, same, conclusion);
      },
    );
  },
};

/** The bad reply holds the very word that was ruled out. */
export const avoid: Kind = {
  category: 'chat-hard/avoid',
  draw: (draws) => {
    const wanted = draws.pick(classes);
    const [banned = '', ...allowed] = draws.sample<string>(CLASSES[wanted], 6);
    const size = draws.int(2, 3);
    const bad = draws.sample(allowed, size);
    bad[draws.int(0, size - 1)] = banned;
    const good = draws.sample(allowed, size);
    return {
      key: `chat-hard/avoid:${[banned, ...good, ...bad].join(',')}`,
      conversation: ask(`Name ${countWord(size)} ${PLURALS[wanted]} but not ${banned}.`),
      good: enumerate(good),
      bad: enumerate(bad),
    };
  },
  read: (conversation) => {
    const banned = NAME.exec(singleQuestion(conversation) ?? '')?.[5];
    if (banned === undefined) return undefined;
    return chatTask(`avoid 80 help 20 <justify> ${banned} </justify>`, (answer, position, mistaken) => {
      const items = listed(answer);
      if (items.length === 0) return undefined;
      const at = items.indexOf(banned);
      const good = at < 0 !== mistaken;
      const seen = at < 0 ? items : items.slice(0, at + 1);
      const summary = seen.map((word, i) => compared(word, banned, i === seen.length - 1 && !good));
      return summarised(position, summary.join(' '), good);
    });
  },
};

const FACTS = /^My ([a-z]+) ([A-Z][a-z]+) and my ([a-z]+) ([A-Z][a-z]+) left\.$/;
const RECALL = /^Who is my ([a-z]+)\?$/;

function recall(draws: Draws): {
  conversation: Message[];
  asked: string;
  right: string;
  wrong: string;
  key: string;
} {
  const [first, second] = draws.sample<string>(CLASSES.animal, 2) as [string, string];
  const [one, two] = draws.sample<string>(NAMES, 2) as [string, string];
  const askFirst = draws.chance(0.5);
  return {
    key: `chat-hard/memory:${[first, one, second, two].join(',')}`,
    asked: askFirst ? first : second,
    right: askFirst ? one : two,
    wrong: askFirst ? two : one,
    conversation: [
      { role: 'user', content: `My ${first} ${one} and my ${second} ${two} left.` },
      { role: 'assistant', content: 'Good to know.' },
      { role: 'user', content: `Who is my ${askFirst ? first : second}?` },
    ],
  };
}

/** A conversation of three turns; the bad reply mixes up two names that were told at the start. */
export const memory: Kind = {
  category: 'chat-hard/memory',
  draw: (draws) => {
    const { conversation, asked, right, wrong, key } = recall(draws);
    const reply = (name: string): string => draws.pick([`That is ${name}.`, `Your ${asked} is ${name}.`]);
    return { key, conversation, good: reply(right), bad: reply(wrong) };
  },
  read: (conversation) => {
    if (conversation.length !== 3) return undefined;
    const facts = FACTS.exec(conversation[0]?.content ?? '');
    const asked = RECALL.exec(conversation[2]?.content ?? '')?.[1];
    const name = asked === facts?.[1] ? facts?.[2] : asked === facts?.[3] ? facts?.[4] : undefined;
    if (asked === undefined || name === undefined) return undefined;
    return chatTask(
      `memory 80 help 20 <justify> ${asked} ${name} </justify>`,
      (answer, position, mistaken) => {
        const found = words(answer).find((word) => (NAMES as readonly string[]).includes(word));
        if (found === undefined) return undefined;
        const same = (found === name) !== mistaken;
        return summarised(position, compared(found, name, same), same);
      },
    );
  },
};

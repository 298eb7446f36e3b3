import { CLASSES, PLACES, THINGS, TONES } from '../lexicon.js';
import { words } from '../text.js';
import { ask, chatTask, compared, quoted, singleQuestion, summarised } from './kind.js';
import type { Kind } from './kind.js';

const EVENTS = ['lost', 'broke', 'left', 'dropped'] as const;
const HELP = /^I [a-z]+ my ([a-z]+) near the ([a-z]+)\. What now\?$/;

/** Two replies with the same advice, one polite and one rude. */
export const tone: Kind = {
  category: 'chat/tone',
  draw: (draws) => {
    const [event, thing, place] = [draws.pick(EVENTS), draws.pick(THINGS), draws.pick(PLACES)];
    const advice = draws.pick([`look near the ${place}`, `ask near the ${place}`, `buy a new ${thing}`]);
    const reply = (word: string): string => draws.pick([`${word}, ${advice}.`, `${advice}, ${word}.`]);
    return {
      key: `chat/tone:${event},${thing},${place}`,
      conversation: ask(`I ${event} my ${thing} near the ${place}. What now?`),
      good: reply(draws.pick(TONES.polite)),
      bad: reply(draws.pick(TONES.rude)),
    };
  },
  read: (conversation) => {
    if (!HELP.test(singleQuestion(conversation) ?? '')) return undefined;
    return chatTask('tone 70 help 30', (answer, position, mistaken) => {
      const found = words(answer).find((word) => isOneOf(TONES.polite, word) || isOneOf(TONES.rude, word));
      if (found === undefined) return undefined;
      const polite = isOneOf(TONES.polite, found) !== mistaken;
      return quoted(position, found, polite ? 'polite' : 'rude', polite);
    });
  },
};

const ABOUT = /^(?:Tell me about|What do you know about) the ([a-z]+)[.?]$/;

/** One reply speaks of what was asked, the other of something else. */
export const topic: Kind = {
  category: 'chat/topic',
  draw: (draws) => {
    const [subject, other] = draws.sample(THINGS, 2) as [string, string];
    const reply = (about: string): string =>
      draws.pick([`The ${about} is often ${draws.pick(CLASSES.colour)}.`, `Many people like the ${about}.`]);
    return {
      key: `chat/topic:${subject},${other}`,
      conversation: ask(
        draws.chance(0.5) ? `Tell me about the ${subject}.` : `What do you know about the ${subject}?`,
      ),
      good: reply(subject),
      bad: reply(other),
    };
  },
  read: (conversation) => {
    const subject = ABOUT.exec(singleQuestion(conversation) ?? '')?.[1];
    if (subject === undefined) return undefined;
    return chatTask(`topic 80 help 20 <justify> ${subject} </justify>`, (answer, position, mistaken) => {
      const found = words(answer).find((word) => THINGS.includes(word));
      if (found === undefined) return undefined;
      const same = (found === subject) !== mistaken;
      return summarised(position, compared(found, subject, same), same);
    });
  },
};

export function isOneOf(list: readonly string[], word: string): boolean {
  return list.includes(word);
}

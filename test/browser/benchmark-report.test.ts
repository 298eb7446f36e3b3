/** The benchmark report in a real browser: offline, on a phone, by keyboard. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildBenchmarkReport } from '../../activities/evaluation/report/benchmark/build.js';
import { sampleBenchmarks } from '../report/sample-benchmark.js';
import { openBrowser } from '../support/chromium.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-benchmark-report-'));
const file = join(dir, 'report.html');
let browser: Awaited<ReturnType<typeof openBrowser>>;
let page: Page;
const requests: string[] = [];
const errors: string[] = [];

beforeAll(async () => {
  writeFileSync(file, buildBenchmarkReport(sampleBenchmarks()));
  browser = await openBrowser();
  page = browser.context.pages()[0] ?? (await browser.context.newPage());
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(pathToFileURL(file).href);
});
afterAll(async () => {
  await browser?.close();
  rmSync(dir, { recursive: true, force: true });
});

const entries = () => page.locator('#j-list > li');
const status = () => page.locator('#j-status');
const saysOf = (count: number) =>
  status()
    .getByText(new RegExp(`^${count} of 202 judgements`))
    .waitFor();

test('opens offline without an error, its own script allowed and nothing asked for', async () => {
  await saysOf(202);
  expect(await entries().count()).toBe(50);
  expect(errors).toEqual([]);
  expect(requests).toEqual([pathToFileURL(file).href]);
  expect(await page.title()).toBe('Two judges');
});

test('judgements are searched, filtered, paged and read; their words stay words', async () => {
  await page.selectOption('#j-evaluation', '0');
  await saysOf(80);
  await page.selectOption('#j-filter', 'wrong');
  await page.fill('#j-search', 'Reasoning 13:');
  await saysOf(1);
  await page.locator('#j-list summary').click();
  const body = page.locator('#j-list .body');
  await body.getByText('What the judge wrote').waitFor();
  expect(await body.textContent()).toContain('<b>bold</b>');
  expect(await body.locator('img').count()).toBe(0);
  expect(await page.title()).toBe('Two judges');
  await page.fill('#j-search', '');
  await page.selectOption('#j-filter', '');
  await page.selectOption('#j-evaluation', '');
  await saysOf(202);
  await page.click('#j-next');
  await status().getByText('page 2 of 5').waitFor();
});

test('everything is reached and worked by keyboard', async () => {
  await page.focus('#j-search');
  await page.keyboard.type('mt-bench-hard/7');
  await saysOf(2);
  const focused = () => page.evaluate<string>('document.activeElement.id || document.activeElement.tagName');
  const stops: (string | undefined)[] = [];
  for (let i = 0; i < 6; i += 1) {
    await page.keyboard.press('Tab');
    stops.push(await focused());
    if (stops.at(-1) === 'SUMMARY') break;
  }
  expect(stops).toEqual(['j-filter', 'j-evaluation', 'SUMMARY']);
  await page.keyboard.press('Enter');
  await page.locator('#j-list details[open] .answers').waitFor();
  await page.fill('#j-search', '');
});

test('a phone shows it without sideways scrolling, texts at a readable size', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.reload();
  await saysOf(202);
  await page.locator('#j-list summary').first().click();
  // As text: the project's types know no document.
  const wide = await page.evaluate(`
    [...document.querySelectorAll('body *')]
      .filter((element) => !element.closest('.scroll, pre, svg'))
      .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map((element) => element.tagName + '.' + element.className)`);
  expect(wide).toEqual([]);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
  const size = await page.evaluate(
    `parseFloat(getComputedStyle(document.querySelector('#j-list .body .pre')).fontSize)`,
  );
  expect(size).toBeGreaterThanOrEqual(13);
});

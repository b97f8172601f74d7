// Chromium as the distribution ships it, once for a test file: to start it takes a second.
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page, type Route } from 'playwright-core';
import { atEnd, findCommand, isRoot, waitFor } from '../machine/index.ts';

export type { Browser, Page, Route } from 'playwright-core';

export const browserCommand = 'chromium';

/** It ends with the test file. */
export async function openBrowser(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: findCommand(browserCommand) ?? browserCommand,
    // Its sandbox does not work for root.
    args: isRoot ? ['--no-sandbox'] : [],
  });
  atEnd(() => browser.close());
  return browser;
}

export interface Visit {
  page: Page;
  /** What the browser has complained about so far: errors, refused scripts and styles, failed requests. */
  complaints: string[];
}

/** At the size of a small laptop, unless that is said. */
export async function visitPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  atEnd(() => context.close());
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', ({ message }) => complaints.push(message));
  await page.goto(url);
  return { page, complaints };
}

/** The text of the first element, once it is like that. */
export function waitForText(page: Page, selector: string, wanted: RegExp): Promise<string> {
  return waitFor(`${selector} to be like ${wanted}`, async () => {
    const text = await page.locator(selector).first().innerText();
    return wanted.test(text) && text;
  });
}

/** How many elements there are, once there are so many. */
export function waitForCount(page: Page, selector: string, wanted: number): Promise<true> {
  return waitFor(`${wanted} of ${selector}`, async () => (await page.locator(selector).count()) === wanted);
}

/** Of all elements, in their order; `null` where there is none. */
export function attributesOf(page: Page, selector: string, name: string): Promise<string[]> {
  return page
    .locator(selector)
    .evaluateAll((elements, which) => elements.map((element) => `${element.getAttribute(which)}`), name);
}

/** The next answer there, an object of JSON, has other values in these fields. */
export async function changeAnswer(page: Page, address: RegExp, changes: object): Promise<void> {
  const answer = async (route: Route): Promise<void> => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...((await response.json()) as object), ...changes } });
  };
  await page.route(address, answer, { times: 1 });
}

/** What keeps somebody from using the page, by axe's rules, and why. */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()');
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  );
}

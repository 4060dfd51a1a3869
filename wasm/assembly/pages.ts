// Pages of 64 KB under a sequence of offsets: a ring of entries, one a page number, between the lowest and the highest page held.

import { PAGE } from "../layout";
import { Account, accountAllocate, accountPage, accountPageFree, accountRelease } from "./host";
import { pageGoes } from "./landing";

const FIRST_ENTRIES: i32 = 4;
/** 128 GB of offsets between the lowest and the highest page held; beyond that there is no memory. */
const MOST_ENTRIES: i64 = 1 << 21;

@unmanaged
export class Entry {
  page: u32; // address, 0 while there is no page
  uses: u32; // references (a stream) or bytes held (staging)
}

/** Part of a record. Zeroes are no page at all. */
@unmanaged
export class Pages {
  ring: usize;
  entries: u32; // a power of two
  held: u32; // pages
  first: i64; // page numbers [first, end) may have an entry in use
  end: i64;
}

// @ts-ignore: decorator
@inline
export function pageNumber(offset: f64): i64 {
  return <i64> offset >> 16;
}

// @ts-ignore: decorator
@inline
export function pageStart(number: i64): f64 {
  return <f64> (number << 16);
}

// @ts-ignore: decorator
@inline
function entryAt(pages: Pages, number: i64): Entry {
  return changetype<Entry>(pages.ring + (<usize> (<u32> number & (pages.entries - 1)) << 3));
}

/** The entry of a page; null when it is outside the ring's part in use. */
// @ts-ignore: decorator
@inline
export function pagesEntry(pages: Pages, number: i64): Entry | null {
  return number >= pages.first && number < pages.end ? entryAt(pages, number) : null;
}

/** Address of a byte; 0 when its page is not held. */
// @ts-ignore: decorator
@inline
export function pagesAddress(pages: Pages, offset: f64): usize {
  const entry = pagesEntry(pages, pageNumber(offset));
  if (entry == null || entry.page == 0) return 0;
  return <usize> entry.page + <usize> (<u32> (<i64> offset) & (PAGE - 1));
}

/** Moves the ends inwards over pages that are not held. */
export function pagesTighten(pages: Pages): void {
  if (pages.held == 0) pages.end = pages.first;
  if (pages.end == pages.first) return;
  while (entryAt(pages, pages.first).page == 0) pages.first++;
  while (entryAt(pages, pages.end - 1).page == 0) pages.end--;
}

function grow(pages: Pages, account: Account, span: i64): bool {
  let entries: i64 = max(FIRST_ENTRIES, pages.entries);
  while (entries < span) entries <<= 1;
  if (entries > MOST_ENTRIES) return false;
  const size = <i32> entries << 3;
  const ring = accountAllocate(account, size);
  if (ring == 0) return false;
  memory.fill(ring, 0, size);
  for (let number = pages.first; number < pages.end; number++) {
    const to = ring + (<usize> (<u32> number & (<u32> entries - 1)) << 3);
    store<u64>(to, load<u64>(changetype<usize>(entryAt(pages, number))));
  }
  accountRelease(account, pages.ring);
  pages.ring = ring;
  pages.entries = <u32> entries;
  return true;
}

/** Makes sure that a page is there; false, and nothing changed, when the connection may not have it or there is no memory. */
export function pagesHold(pages: Pages, account: Account, number: i64): bool {
  if (pages.held == 0) {
    pages.first = number;
    pages.end = number;
  }
  let first = min(pages.first, number);
  let end = max(pages.end, number + 1);
  if (end - first > <i64> pages.entries) {
    pagesTighten(pages);
    first = min(pages.first, number);
    end = max(pages.end, number + 1);
    if (end - first > <i64> pages.entries && !grow(pages, account, end - first)) return false;
  }
  const entry = entryAt(pages, number);
  if (entry.page == 0) {
    const page = accountPage(account);
    if (page == 0) return false;
    entry.page = <u32> page;
    entry.uses = 0;
    pages.held++;
  }
  pages.first = first;
  pages.end = end;
  return true;
}

/** Gives a page back. The ring goes with the last one: an idle connection holds nothing. */
export function pagesDrop(pages: Pages, account: Account, number: i64): void {
  const entry = entryAt(pages, number);
  pageGoes(entry.page);
  accountPageFree(account, entry.page);
  entry.page = 0;
  entry.uses = 0;
  pages.held--;
  if (number == pages.first || number == pages.end - 1) pagesTighten(pages);
  if (pages.held == 0 && pages.entries > <u32> FIRST_ENTRIES) {
    accountRelease(account, pages.ring);
    pages.ring = 0;
    pages.entries = 0;
  }
}

export function pagesFree(pages: Pages, account: Account): void {
  for (let number = pages.first; number < pages.end; number++) {
    if (entryAt(pages, number).page != 0) pagesDrop(pages, account, number);
  }
  accountRelease(account, pages.ring);
  pages.ring = 0;
  pages.entries = 0;
}

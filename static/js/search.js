// Search from anywhere with Ctrl/Cmd+K or /, and shortcuts: ? lists them, G and another key open a page, others act on rows of lists.
// The links work without it.

const root = document.documentElement.dataset.root;
const usesSingleKeys = () => document.querySelector('.sidebar [data-find]').dataset.find === '';
const isTyping = (element) => element.matches?.('input:not([type="checkbox"], [type="radio"]), textarea, select, [contenteditable]');

// Open a dialog over the page. Closing it returns the focus.
function openOver(path) {
  const field = path !== 'shortcuts' && document.querySelector('.sidebar [data-find][aria-current]') && document.querySelector('main [name="q"]');
  if (field) return field.focus();
  const active = document.activeElement, before = active === document.body ? document.querySelector('main') : active;
  document.addEventListener('htmx:after:swap', () => {
    const dialog = document.querySelector('#dialog-slot > dialog');
    dialog?.addEventListener('close', () => {
      dialog.querySelector('form')?.setAttribute('hx-target', 'this'); // what was typed just now has no results to go to
      before.focus();
    }, { once: true });
    choose(0);
  }, { once: true });
  htmx.ajax('GET', root + path, { target: '#dialog-slot', swap: 'innerHTML', source: '[data-find]' });
}

// The options below the field. Enter opens the chosen one; after more was typed, it waits for the results.
const options = () => [...document.querySelectorAll('#found [role="option"]')];
const chosen = () => document.querySelector('#found [aria-selected="true"]');
let isLate = false, isWanted = false;

function choose(place) {
  const all = options(), field = document.querySelector('[role="combobox"]');
  if (!field) return;
  const next = all[(place + all.length) % all.length];
  chosen()?.setAttribute('aria-selected', 'false');
  all.forEach((option, number) => { option.id = `option-${number}`; });
  next?.setAttribute('aria-selected', 'true');
  next?.scrollIntoView({ block: 'nearest' });
  next ? field.setAttribute('aria-activedescendant', next.id) : field.removeAttribute('aria-activedescendant');
}
document.addEventListener('input', ({ target }) => { if (target.role === 'combobox') isLate = true; });
document.addEventListener('htmx:after:swap', ({ detail: { ctx } }) => {
  if (ctx.target?.id !== 'found') return;
  isLate = false;
  choose(0);
  const many = options().length;
  document.querySelector('.finder [role="status"]').textContent = many === 1 ? '1 result' : `${many} results`;
  if (isWanted) chosen()?.click();
  isWanted = false;
});

function moveInOptions(event) {
  const place = options().indexOf(chosen());
  const to = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + 5, PageUp: Math.max(place - 5, 0) }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    choose(event.key === 'PageDown' ? Math.min(to, options().length - 1) : to);
  } else if (event.key === 'Escape') { // browsers would only empty the field
    event.preventDefault();
    event.target.closest('dialog').close();
  } else if (event.key === 'Enter' && (isLate || chosen())) {
    event.preventDefault();
    if (isLate) isWanted = true;
    else if (event.ctrlKey || event.metaKey) window.open(chosen().href);
    else chosen().click();
  }
}

// The pages that G and another key open, from the list of shortcuts.
let pages = null, since = -Infinity;
const pagesByKey = () => fetch(`${root}shortcuts`).then((answer) => answer.text()).then((text) => {
  const links = new DOMParser().parseFromString(text, 'text/html').querySelectorAll('[data-key]');
  return Object.fromEntries([...links].map((link) => [link.dataset.key, link.href]));
});

// J and K move through the rows of a list, X selects the row with the focus, E edits it, and Enter follows its link.
function actOnRow(key) {
  const rows = [...document.querySelectorAll('.list tbody tr')], row = document.activeElement.closest('.list tbody tr');
  const place = rows.indexOf(row), next = { j: place + 1, k: Math.max(place - 1, 0) }[key];
  if (next !== undefined) rows[next]?.querySelector('a').focus();
  else if (key === 'x') row?.querySelector('[name="id"]')?.click();
  else if (key === 'e') row?.querySelector('td:last-child a')?.click();
}

document.addEventListener('keydown', (event) => {
  const { target, key } = event, isModified = event.ctrlKey || event.metaKey;
  if (event.defaultPrevented || event.isComposing || event.altKey || !document.querySelector('[data-find]')) return;
  if (target.role === 'combobox') moveInOptions(event);
  const isSearch = isModified && !event.shiftKey && key.toLowerCase() === 'k';
  if (isSearch) event.preventDefault();
  if (document.querySelector('dialog[open]')) return;
  if (isSearch) openOver('search/dialog');
  if (isModified || isTyping(target) || !usesSingleKeys()) return;
  const isSecond = event.timeStamp - since < 1500;
  since = -Infinity;
  if (isSecond) pages.then((found) => { if (found[key.toLowerCase()]) location.assign(found[key.toLowerCase()]); });
  else if (key === '/') { event.preventDefault(); openOver('search/dialog'); }
  else if (key === '?') openOver('shortcuts');
  else if (key === 'g') { pages ??= pagesByKey(); since = event.timeStamp; }
  else actOnRow(key);
});

document.addEventListener('click', (event) => {
  if (!event.target.closest('[data-find]') || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  openOver('search/dialog');
});

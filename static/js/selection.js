// Select rows of a list: a range with Shift, all rows of the page, and how many are selected. Lists work without it.

let anchor = null; // the row that was clicked last
const rowsOf = (form) => [...form.querySelectorAll('[name="id"]')];

function showSelection(form) {
  const rows = rowsOf(form), chosen = rows.filter((row) => row.checked);
  const page = form.querySelector('[data-page]'), { all } = form.elements, many = form.querySelector('.list').dataset.all;
  const isWhole = rows.length > 0 && chosen.length === rows.length;
  if (page) {
    page.hidden = false;
    page.checked = isWhole;
    page.indeterminate = chosen.length > 0 && !isWhole;
  }
  const label = all.closest('label');
  label.hidden = !isWhole || !many;
  if (label.hidden) all.checked = false;
  label.querySelector('span').textContent = many ?? '';
  form.querySelector('output').textContent = all.checked ? 'All selected' : `${chosen.length} selected`;
}
const showSelections = () => document.querySelectorAll('form.selecting').forEach(showSelection);

document.addEventListener('click', ({ target, shiftKey }) => {
  const form = target.closest('form.selecting');
  if (!form || target.type !== 'checkbox') return;
  const rows = rowsOf(form), place = rows.indexOf(target);
  if ('page' in target.dataset) for (const row of rows) row.checked = target.checked;
  if (place >= 0) {
    const other = shiftKey ? rows.indexOf(anchor) : -1;
    if (other >= 0) for (const row of rows.slice(Math.min(place, other), Math.max(place, other) + 1)) row.checked = target.checked;
    anchor = target;
  }
  showSelection(form);
});
document.addEventListener('reset', () => setTimeout(showSelections));
document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape' && !document.querySelector('dialog[open]')) document.querySelectorAll('form.selecting').forEach((form) => form.reset());
});

// A search changes the list: rows that are still there stay selected, all others are not.
let kept = [];
document.addEventListener('htmx:before:swap', () => {
  kept = [...document.querySelectorAll('form.selecting [name="id"]:checked')].map((row) => row.value);
});
document.addEventListener('htmx:after:swap', () => {
  document.querySelectorAll('form.selecting').forEach((form) => {
    for (const row of rowsOf(form)) row.checked = kept.includes(row.value);
    form.elements.all.checked = false;
    form.action = form.querySelector('.list').dataset.action;
    showSelection(form);
  });
});
window.addEventListener('pageshow', showSelections);
showSelections();

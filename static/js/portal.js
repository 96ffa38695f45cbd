// Enhancements beyond HTML and htmx. Every page works without this file too.

const each = (selector, act, within = document) => within.querySelectorAll(selector).forEach(act);

// Send the CSRF token with htmx requests.
document.addEventListener('htmx:config:request', ({ detail: { ctx } }) => {
  ctx.request.headers['X-CSRFToken'] = document.querySelector('meta[name="csrf-token"]').content;
  const field = ctx.sourceElement;
  if ('alone' in field.dataset) for (const { name } of field.form.elements) if (name !== field.name) ctx.request.body.delete(name);
});

// After a fragment was swapped in: open dialogs, and keep the search in the tabs' links.
document.addEventListener('htmx:after:swap', ({ detail: { ctx } }) => {
  const dialog = document.querySelector('#dialog-slot > dialog:not([open])');
  if (dialog) {
    dialog.showModal();
    dialog.addEventListener('close', () => { dialog.remove(); ctx.sourceElement.focus(); }, { once: true });
  }
  tableRoles();
  followSearch();
  if (document.querySelector('.strength')) forgetError(document.querySelector('#password'));
});
document.addEventListener('htmx:finally:swap', () => {
  if (document.activeElement === document.body) document.querySelector('main').focus();
});
document.addEventListener('htmx:error', tellOffline);
function tellOffline() {
  each('#toasts .note-error', (note) => note.remove());
  document.querySelector('#toasts').append(document.querySelector('#offline').content.cloneNode(true));
}

document.addEventListener('click', (event) => {
  const dismiss = event.target.closest('[data-dismiss]');
  const box = dismiss?.closest('dialog, .note');
  if (box) { event.preventDefault(); box.matches('dialog') ? box.close() : box.remove(); }
  const copy = event.target.closest('[data-copy]');
  if (copy) {
    navigator.clipboard.writeText(document.querySelector(copy.dataset.copy).textContent.trim())
      .then(() => { copy.nextElementSibling.textContent = 'Copied'; });
  }
});

// Open a page as a dialog, for links whose URL is long.
document.addEventListener('click', (event) => {
  const link = event.target.closest('[data-dialog]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  htmx.ajax('GET', link.href, { target: '#dialog-slot', swap: 'innerHTML', source: link });
});

// Move an entry of a list up or down. Without this, the server does it.
document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-move]'), entry = button?.closest('li');
  if (!entry) return;
  event.preventDefault();
  const isUp = button.name === 'up', other = isUp ? entry.previousElementSibling : entry.nextElementSibling;
  isUp ? other?.before(entry) : other?.after(entry);
  button.focus();
});

// Change the theme without a reload, which would lose values that a page shows only once.
each('form.theme', (form) => {
  form.hidden = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    event.stopPropagation();
    const chosen = event.submitter, { dataset } = document.documentElement;
    fetch(form.action, { method: 'POST', body: new FormData(form, chosen), redirect: 'manual', keepalive: true }).then(() => {
      chosen.value === 'system' ? delete dataset.bsTheme : dataset.bsTheme = chosen.value;
      document.querySelector('meta[name="color-scheme"]').content = dataset.bsTheme ?? 'light dark';
      each('button', (button) => button.setAttribute('aria-pressed', button === chosen), form);
    }, tellOffline);
  });
});

// Send a form only once. Going back in the browser, or a failed request, enables it again.
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post') return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = 'yes';
  setTimeout(() => delete form.dataset.sent, 8000);
});
document.addEventListener('htmx:finally:request', ({ detail: { ctx } }) => delete ctx.sourceElement.closest('form')?.dataset.sent);
window.addEventListener('pageshow', () => each('form[data-sent]', (form) => delete form.dataset.sent));

// Suggest a slug from the name until it is edited. The server does the same: slug_of.
const letters = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', ł: 'l', đ: 'd', ð: 'd', þ: 'th', ı: 'i', ħ: 'h', ŧ: 't', ŋ: 'n' };
const slug = (text) => text.normalize('NFKD').toLowerCase()
  .replace(/[\p{M}\p{Cf}\p{DI}\u2800\ufffc\u{1d159}]/gu, '').replace(/[ßæœøłđðþıħŧŋ]/g, (letter) => letters[letter])
  .replace(/[^a-z0-9]+/g, '-').slice(0, 63).replace(/^-+|-+$/g, '');
document.addEventListener('input', ({ target }) => {
  const field = target.name && target.form?.querySelector(`[data-slug-from="${target.name}"]`);
  if (field && field.value === (field.dataset.proposed ?? '')) {
    field.value = field.dataset.proposed = slug(target.value);
  }
});

// The server renders all times in one time zone. For people who chose none, it is the browser's, from this cookie.
// A page rendered without the cookie is reloaded, unless it shows something only once.
function keepTimeZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone, kept = `time_zone=${zone}`;
  if (!zone || document.cookie.split('; ').includes(kept)) return;
  document.cookie = `${kept}; path=${document.documentElement.dataset.root}; max-age=31536000; samesite=lax${location.protocol === 'https:' ? '; secure' : ''}`;
  const isKept = document.cookie.split('; ').includes(kept), { browserTime } = document.documentElement.dataset;
  if (isKept && browserTime === 'GET' && document.querySelector('time') && !document.querySelector('#toasts .note')) location.reload();
}

// Leave empty filters out of the URL, but not all arguments: without any, lists can open with a view.
document.addEventListener('formdata', ({ target, formData }) => {
  const filled = [...formData].filter(([, value]) => value);
  if (!target.matches('.filters-form') || !filled.length) return;
  for (const name of [...formData.keys()]) formData.delete(name);
  for (const [name, value] of filled) formData.append(name, value);
});

// Turn the chosen suggestion into a checkbox, so that another can be added.
document.addEventListener('change', ({ target }) => {
  const isChosen = [...target.list?.options ?? []].some(({ value }) => value === target.value);
  if (!isChosen || !target.matches('.filters-form fieldset input')) return;
  const box = Object.assign(document.createElement('input'), {
    type: 'checkbox', className: 'form-check-input', name: target.name, value: target.value, checked: true,
  });
  const label = Object.assign(document.createElement('label'), { className: 'check' });
  label.append(box, ` ${target.value}`);
  target.before(label);
  target.value = '';
});

// Some browsers drop table semantics if a style sheet changes the layout of rows, as on phones.
function tableRoles() {
  if (!matchMedia('(max-width: 47.99rem)').matches) return;
  const roles = { table: 'table', thead: 'rowgroup', tbody: 'rowgroup', tr: 'row', th: 'columnheader', td: 'cell' };
  for (const [tag, role] of Object.entries(roles)) each(`.list ${tag}`, (part) => part.setAttribute('role', role));
}

function followSearch() {
  const form = document.querySelector('#filters'), counts = document.querySelector('.list')?.dataset.tabs?.split('|');
  if (form) document.querySelectorAll('main > .tabs a').forEach((tab, place) => {
    const url = new URL(tab.href);
    for (const { name, value, type, selectedIndex } of form.elements) {
      if (!name || type === 'hidden') continue;
      value && selectedIndex !== 0 ? url.searchParams.set(name, value) : url.searchParams.delete(name);
    }
    tab.querySelector('span')?.remove();
    if (counts?.[place]) tab.append(' ', Object.assign(document.createElement('span'), { textContent: counts[place] }));
    tab.href = url;
  });
}

// Remove a field's error once its value has changed.
function forgetError(field) {
  const error = document.getElementById(`${field.id}-error`);
  if (!error) return;
  field.setAttribute('aria-describedby', field.getAttribute('aria-describedby').replace(error.id, '').trim());
  field.removeAttribute('aria-invalid');
  error.remove();
}

keepTimeZone();
tableRoles();
if (navigator.clipboard) each('[data-copy]', (button) => { button.hidden = false; });

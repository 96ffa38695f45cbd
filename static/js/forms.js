// Enhance forms: warn before unsaved changes are lost, show passwords, and fill in demo accounts.

const every = (selector, act, within = document) => within.querySelectorAll(selector).forEach(act);

// Whether a field differs from its initial value. Only new passwords count, because browsers fill in others.
function isTyped(field) {
  if (field.type === 'hidden' || field.readOnly || !field.name) return false;
  if (field.type === 'password') return field.autocomplete === 'new-password' && field.value !== '';
  if (field.type === 'checkbox' || field.type === 'radio') return field.checked !== field.defaultChecked;
  if (field.options) {
    const standard = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(standard, 0);
  }
  return 'defaultValue' in field && field.value !== field.defaultValue;
}
const isFilledIn = (field) => field.name && !field.readOnly && !['hidden', 'password', 'submit'].includes(field.type);

// Whether there are unsaved changes: typed since, or in a form that the server shows again (data-unsaved).
let leaving = false;
function isUnsaved() {
  const shownAgain = document.querySelector('main[data-unsaved]');
  return [...document.querySelectorAll('body.app main form[method="post"]:not(.selecting)')].some((form) => !form.dataset.sent && !isKept(form)
    && [...form.elements].some((field) => isTyped(field) || (shownAgain && isFilledIn(field))));
}
window.addEventListener('beforeunload', (event) => { if (!leaving && isUnsaved()) event.preventDefault(); });
window.addEventListener('pageshow', () => { leaving = false; });

// What is typed in a form with data-kept survives another form's action, which leads back to the same page.
const isKept = (form) => 'kept' in form.dataset && document.querySelector('main form[data-sent], #toasts form[data-sent]') !== null;
window.addEventListener('pagehide', () => {
  const forms = [...document.querySelectorAll('form[data-kept]:not([data-sent])')].filter(isKept);
  const typed = forms.flatMap((form) => [...form.elements]).filter((field) => field.type !== 'password' && isTyped(field));
  const values = typed.map(({ form, name, type, value, checked }) => [form.action, name, value, type === 'checkbox' ? checked : null]);
  if (values.length) sessionStorage.setItem('kept', JSON.stringify({ path: location.pathname, values }));
});
function restoreKept() {
  const { path, values } = JSON.parse(sessionStorage.getItem('kept') ?? '{}'), isHere = path === location.pathname;
  if (isHere || !document.querySelector('body.app')) sessionStorage.removeItem('kept');
  for (const [action, name, value, checked] of isHere ? values : []) {
    const form = [...document.querySelectorAll('form[data-kept]')].find((one) => one.action === action);
    const fields = [...(form?.elements ?? [])].filter((one) => one.name === name);
    if (checked === null) fields.forEach((field) => { field.value = value; });
    else fields.filter((field) => field.value === value).forEach((field) => { field.checked = checked; });
  }
}

// If the session ended meanwhile, keep unsaved changes. Otherwise follow the redirect.
document.addEventListener('htmx:before:response', (event) => {
  const { ctx } = event.detail, there = ctx.response.headers.get('HX-Redirect');
  if (!there) return;
  if (ctx.request.method === 'GET' && isUnsaved() && new URL(there, location).pathname.endsWith('/login')) {
    event.preventDefault();
    every('#toasts .note-error', (note) => note.remove());
    document.querySelector('#toasts').append(document.querySelector('#signed-out').content.cloneNode(true));
  } else leaving = true;
});
// A form that htmx has sent is saved.
document.addEventListener('htmx:after:request', ({ detail: { ctx } }) => {
  const form = ctx.sourceElement.closest('form[method="post"]');
  if (form === ctx.sourceElement && ctx.response.status < 400) {
    document.querySelector('main').removeAttribute('data-unsaved');
    for (const field of form.elements) if ('defaultValue' in field && field.type !== 'hidden') field.defaultValue = field.value;
  }
});

// Show a password while it is typed; hide it again when the form is sent or the page is left.
function show(button, isShown) {
  button.setAttribute('aria-pressed', isShown);
  document.getElementById(button.getAttribute('aria-controls')).type = isShown ? 'text' : 'password';
}
const reveal = () => every('[data-show][hidden]', (button) => { button.hidden = false; });
document.addEventListener('submit', ({ target }) => every('[data-show]', (button) => show(button, false), target), true);
window.addEventListener('pagehide', () => every('[data-show]', (button) => show(button, false)));
document.addEventListener('htmx:after:swap', reveal);

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-show], [data-download], [data-print], [data-fill]');
  if (!button) return;
  const { dataset } = button;
  if ('show' in dataset) show(button, button.getAttribute('aria-pressed') !== 'true');
  if ('print' in dataset) window.print();
  if ('download' in dataset) download(dataset.name, `${dataset.heading}\n\n${linesOf(dataset.download)}\n`);
  if ('fill' in dataset) { event.preventDefault(); fill(button); }
});

const linesOf = (selector) => [...document.querySelectorAll(`${selector} > li`)].map((line) => line.textContent.trim()).join('\n');

// The file is created in the page, because values that are shown only once can't be requested again.
function download(name, text) {
  const link = Object.assign(document.createElement('a'), {
    href: URL.createObjectURL(new Blob([text], { type: 'text/plain;charset=utf-8' })), download: name,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Fill a demo account into the form above.
function fill({ dataset }) {
  const form = document.querySelector('form.card');
  form.elements.email.value = dataset.fill;
  form.elements.password.value = dataset.password;
  form.querySelector('.btn-primary').focus();
}

reveal();
restoreKept();
every('[data-download], [data-print]', (button) => { button.hidden = false; });

// Fill a passkey's response into a form. Without this file, or without support in the browser, the form stays hidden.

const { PublicKeyCredential: Passkey, navigator: { credentials } } = window;

async function answer({ passkey, options }) {
  const asked = JSON.parse(options);
  const given = passkey === 'create'
    ? await credentials.create({ publicKey: Passkey.parseCreationOptionsFromJSON(asked) })
    : await credentials.get({ publicKey: Passkey.parseRequestOptionsFromJSON(asked) });
  return JSON.stringify(given);
}

if (Passkey?.parseCreationOptionsFromJSON) document.querySelectorAll('form[data-passkey]').forEach((form) => {
  const note = form.querySelector('[role="alert"]');
  form.hidden = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    note.hidden = true;
    try {
      form.elements.credential.value = await answer(form.dataset);
      form.submit();
    } catch {
      note.hidden = false;
      delete form.dataset.sent;
    }
  });
});
else document.querySelectorAll('[data-without-passkeys]').forEach((hint) => { hint.hidden = false; });

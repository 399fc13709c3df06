import { useComputed, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { loadFailure } from '../model/session.js';
import { chooseHub, defaultHub, hubChoice } from './address.js';
import { text } from './picker-text.js';

/** Whether a load failed because its hub wants to know who asks. */
export const wantsToken = () => /^status 40[13]$/.test(loadFailure.value?.given ?? '');

/** What a hub can be asked with besides a name; it opens by itself when a token is missing. */
export function HubFields() {
  const t = text.value;
  const missing = useComputed(wantsToken).value;
  const open = useSignal(false);
  useEffect(() => {
    if (missing) open.value = true;
  }, [missing]);
  const { revision, token, endpoint } = hubChoice;
  return (
    <details class="hub" open={open.value} onToggle={({ currentTarget }) => (open.value = currentTarget.open)}>
      <summary>{t.hub}</summary>
      <Field
        name={t.revision}
        help={t.revisionHelp}
        value={revision.value}
        placeholder="main"
        onChange={(value) => (revision.value = value)}
      />
      <Field
        name={t.token}
        help={t.tokenHelp}
        value={token.value}
        placeholder="hf_…"
        secret
        onChange={(value) => (token.value = value)}
      />
      <Field
        name={t.endpoint}
        help={t.endpointHelp}
        value={endpoint.value}
        placeholder={defaultHub}
        onChange={chooseHub}
      />
    </details>
  );
}

function Field({
  name,
  help,
  value,
  placeholder,
  secret = false,
  onChange,
}: {
  name: string;
  help: string;
  value: string;
  placeholder: string;
  secret?: boolean;
  onChange: (value: string) => void;
}) {
  return (
    <label>
      <span>
        {name} <small>{help}</small>
      </span>
      <input
        type={secret ? 'password' : 'text'}
        autocomplete="off"
        spellcheck={false}
        aria-label={name}
        placeholder={placeholder}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
    </label>
  );
}

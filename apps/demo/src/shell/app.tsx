import { useSignalEffect } from '@preact/signals';
import { language, speak } from '../i18n/i18n.js';
import { Logo } from './logo.jsx';
import { PageOutlet } from './outlet.jsx';
import { page, pages } from './router.js';
import { switchTheme, theme } from './theme.js';
import { text } from './text.js';

/** Where the documentation lies, for a build that is put beside it. */
const docs = import.meta.env.VITE_DOCS;

/** The frame: navigation, language and theme around the page that the address names. */
export function App() {
  useSignalEffect(() => {
    document.title = `${text.value.pages[page.value]} · ${text.value.title}`;
  });
  const t = text.value;
  const dark = theme.value === 'dark';
  const toMain = (event: Event) => {
    event.preventDefault();
    document.getElementById('main')?.focus();
  };
  return (
    <>
      <a class="skip" href="#main" onClick={toMain}>
        {t.skip}
      </a>
      <header class="frame-header">
        <a class="brand" href="#/write">
          <Logo />
          <span>{t.title}</span>
        </a>
        <nav aria-label={t.navigation}>
          {pages.map((name) => (
            <a key={name} href={`#/${name}`} aria-current={page.value === name ? 'page' : undefined}>
              {t.pages[name]}
            </a>
          ))}
        </nav>
        <div class="switches">
          <button
            type="button"
            class="quiet"
            lang={language.value === 'zh' ? 'en' : 'zh'}
            aria-label={t.languageLabel}
            onClick={() => speak(language.value === 'zh' ? 'en' : 'zh')}
          >
            {t.language}
          </button>
          <button type="button" class="quiet" aria-label={dark ? t.toLightLabel : t.toDarkLabel} onClick={switchTheme}>
            {dark ? t.toLight : t.toDark}
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <PageOutlet />
      </main>
      <footer class="frame-footer">
        {t.local} {docs && <a href={docs}>{t.docs}</a>}
      </footer>
    </>
  );
}

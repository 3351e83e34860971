/* Dark and light. Runs before the first paint, in the console and in the documentation alike, hence a classic
 * script. Without a choice the page follows the system; a choice that equals the system's is forgotten, so that
 * the page follows the system again. Any button with data-theme-toggle switches. */
(() => {
  "use strict";
  const KEY = "stampmeter-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off: the choice lasts as long as the page
    }
  };
  const store = (theme) => {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch {
      // as above
    }
  };
  const fromSystem = () => (system.matches ? "dark" : "light");
  const current = () => root.dataset.theme || fromSystem();

  const label = () => {
    const next = current() === "dark" ? "light" : "dark";
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.setAttribute("aria-label", `Switch to the ${next} theme`);
      button.title = `Switch to the ${next} theme`;
    }
  };
  const show = () => {
    label();
    // The chart paints on a canvas and must read the colours again.
    dispatchEvent(new Event("stampmeter-theme"));
  };
  const choose = (theme) => {
    if (theme === fromSystem()) {
      delete root.dataset.theme;
      store(null);
    } else {
      root.dataset.theme = theme;
      store(theme);
    }
    show();
  };

  const remembered = stored();
  if (remembered === "dark" || remembered === "light") root.dataset.theme = remembered;
  // For buttons that come later, as the console's does.
  window.stampmeterTheme = { label };
  system.addEventListener("change", show);
  addEventListener("DOMContentLoaded", show);
  addEventListener("click", (event) => {
    if (event.target.closest?.("[data-theme-toggle]")) choose(current() === "dark" ? "light" : "dark");
  });
})();

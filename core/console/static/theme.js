// Runs before the page is painted, so that a chosen theme does not flash.
"use strict";
(() => {
  const root = document.documentElement;
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
  }
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply(chosen);
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const themes = ["auto", "light", "dark"];
    const show = (theme) => { button.textContent = `Theme: ${theme}`; };
    let theme = themes.includes(chosen) ? chosen : "auto";
    show(theme);
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      apply(theme);
      show(theme);
      try {
        if (theme === "auto") localStorage.removeItem("theme");
        else localStorage.setItem("theme", theme);
      } catch {
        // As above.
      }
      dispatchEvent(new Event("themechange"));
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      dispatchEvent(new Event("themechange"));
    });
  });
})();

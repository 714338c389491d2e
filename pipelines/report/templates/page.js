"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const languages = all("[data-lang]");
  const remember = (lang) => { try { localStorage.setItem("michisora-lang", lang); } catch { /* a page from disk may have no storage */ } };
  const recall = () => { try { return localStorage.getItem("michisora-lang"); } catch { return null; } };
  const show = (lang) => {
    if (!languages.some((button) => button.dataset.lang === lang)) return;
    root.dataset.show = root.lang = lang;
    languages.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.lang === lang)));
  };
  root.classList.add("scripted");
  languages.forEach((button) => button.addEventListener("click", () => { show(button.dataset.lang); remember(button.dataset.lang); }));
  const asked = new URLSearchParams(location.search).get("lang");
  show(asked || recall() || navigator.language.slice(0, 2));

  const cards = all(".card");
  const filters = all(".filter");
  const chosen = (filter) => [...filter.querySelectorAll("[aria-pressed=true]")].map((chip) => chip.dataset.value);
  const sift = () => {
    const wanted = filters.map((filter) => [filter.dataset.kind, chosen(filter)]).filter(([, codes]) => codes.length);
    cards.forEach((card) => { card.hidden = !wanted.every(([kind, codes]) => codes.includes(card.dataset[kind])); });
    document.getElementById("shown").textContent = cards.filter((card) => !card.hidden).length;
  };
  all(".chip").forEach((chip) => chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
    sift();
  }));
  const reveal = () => { const card = document.getElementById(decodeURIComponent(location.hash.slice(1))); if (card) card.hidden = false; };
  addEventListener("hashchange", reveal);

  all(".copy").forEach((button) => button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  }));
  all(".print").forEach((button) => button.addEventListener("click", () => print()));
  addEventListener("beforeprint", () => all("img[loading]").forEach((image) => { image.loading = "eager"; }));
})();

// Keeps the view up to date: when the server says that something changed, the view is fetched again and only what differs is
// replaced, so that focus, selection and scroll stay. Without it, everything works by links and forms.
"use strict";

(() => {
  const pause = 1000 * Number(document.documentElement.dataset.every);
  const SILENT = "The registrar does not answer; this is what it last said.";
  const live = document.getElementById("live");
  if (!pause) return;
  let source, timer, fetchedAt = -Infinity, isFetching = false, isWanted = false;

  function tell(text) {
    if (live.textContent !== text) live.textContent = text;
  }

  function attributes(old, now) {
    for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }

  // Makes one tree like another; elements with an id are found again by it.
  function morph(old, now) {
    if (old.isEqualNode(now)) return;
    if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName) {
      old.replaceWith(document.importNode(now, true));
    } else if (old.nodeType !== Node.ELEMENT_NODE) {
      old.data = now.data;
    } else {
      attributes(old, now);
      children(old, now);
    }
  }

  function children(old, now) {
    const stays = new Set([...now.children].map((it) => it.id).filter(Boolean));
    for (const it of [...old.children]) if (it.id && !stays.has(it.id)) it.remove();
    const known = new Map([...old.children].filter((it) => it.id).map((it) => [it.id, it]));
    let at = old.firstChild;
    for (const wanted of now.childNodes) {
      const found = wanted.id ? known.get(wanted.id) : at && !at.id ? at : undefined;
      if (!found) {
        old.insertBefore(document.importNode(wanted, true), at);
        continue;
      }
      if (found === at) at = at.nextSibling;
      else old.insertBefore(found, at);
      morph(found, wanted);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  async function fetchView() {
    isFetching = true;
    isWanted = false;
    fetchedAt = performance.now();
    try {
      const answer = await fetch(location.href);
      const text = await answer.text();
      const now = new DOMParser().parseFromString(text, "text/html");
      const main = now.getElementById("main");
      if (!main) throw new Error(`answered ${answer.status}`);
      const focused = document.activeElement;
      morph(document.getElementById("main"), main);
      if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
      document.title = now.title;
      tell("");
    } catch {
      tell(SILENT);
    }
    isFetching = false;
    if (isWanted) want();
  }

  // At most once in the view's pause; what comes meanwhile is shown after it.
  function want() {
    isWanted = true;
    if (isFetching || timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      fetchView();
    }, Math.max(0, fetchedAt + pause - performance.now()));
  }

  // Nobody is told of changes while nobody looks.
  function follow() {
    if (document.hidden) {
      source?.close();
      source = undefined;
    } else if (!source) {
      source = new EventSource("/changes");
      source.addEventListener("changed", want);
      source.addEventListener("error", () => {
        tell(SILENT);
        // The browser tries again by itself, but for an answer that is none.
        if (source?.readyState !== EventSource.CLOSED) return;
        source = undefined;
        setTimeout(follow, 5000);
      });
    }
  }

  document.addEventListener("visibilitychange", follow);
  follow();
})();

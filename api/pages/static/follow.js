// A run's events as they come. The browser itself resumes a broken stream after the last event that it saw; a stream
// that it gives up is opened again. A connection that stays away is said on the page, until it is back.
const FINAL = ["finished", "failed", "cancelled"];
const SAID_AFTER_MS = 3000;
const AGAIN_MS = 2000;
const away = new Set(); // streams without a connection

const say = () => {
  document.querySelector("[data-lost]").hidden = !away.size;
};

/** Calls onProgress(progress) and onState(state, event); closes with the final state, or by `close()`. */
export const follow = (address, { onProgress = () => {}, onState = () => {} }) => {
  const mine = {};
  let source;
  let late;
  let closed = false;
  const back = () => {
    clearTimeout(late);
    late = undefined;
    away.delete(mine);
    say();
  };
  const close = () => {
    closed = true;
    source.close();
    back();
  };
  const open = () => {
    if (closed) return;
    source = new EventSource(address);
    source.addEventListener("open", back);
    source.addEventListener("error", () => {
      late ??= setTimeout(() => { away.add(mine); say(); }, SAID_AFTER_MS);
      if (source.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS);
    });
    source.addEventListener("progress", (event) => onProgress(JSON.parse(event.data)));
    source.addEventListener("state", (event) => {
      const data = JSON.parse(event.data);
      if (FINAL.includes(data.state)) close();
      onState(data.state, data);
    });
  };
  open();
  return { close };
};

export const isFinal = (state) => FINAL.includes(state);

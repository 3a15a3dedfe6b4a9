// A run's events as they come. The browser itself resumes a broken stream after the last event that it saw.
const FINAL = ["finished", "failed", "cancelled"];

/** Calls onProgress(progress) and onState(state, event); closes the stream with the final state. */
export const follow = (address, { onProgress = () => {}, onState = () => {} }) => {
  const source = new EventSource(address);
  source.addEventListener("progress", (event) => onProgress(JSON.parse(event.data)));
  source.addEventListener("state", (event) => {
    const data = JSON.parse(event.data);
    if (FINAL.includes(data.state)) source.close();
    onState(data.state, data);
  });
  return source;
};

export const isFinal = (state) => FINAL.includes(state);

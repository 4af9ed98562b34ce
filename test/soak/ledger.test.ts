/** What the soak's ledger lets pass and what it does not: each of its rules, broken once. */
import test, { type ExecutionContext } from "ava";
import { type Digest, Ledger, type Put } from "./sdfs/ledger.ts";

const [one, two] = ["1", "2"].map((sha256): Digest => ({ sha256, bytes: 5 })) as [Digest, Digest];
const path = "a.bin";

class World {
  ms = 0;
  readonly ledger = new Ledger({ now: () => (this.ms += 1), copies: 4 });

  put(version: number, digest: Digest, { copies = 4, ifVersion }: Partial<Asked> = {}): Put {
    const put = this.ledger.startPut(path, digest, ifVersion);
    this.ledger.acknowledged(put, version, copies);
    return put;
  }

  remove(): void {
    this.ledger.removed(this.ledger.startRemove(path));
  }
}

interface Asked {
  readonly copies: number;
  readonly ifVersion: number;
}

function breaks(t: ExecutionContext, rule: string | undefined, play: (world: World) => void): void {
  const world = new World();
  play(world);
  t.deepEqual(
    world.ledger.violations.map((violation) => violation.slice(0, 2)),
    rule === undefined ? [] : [rule],
  );
}

test("V1: a version has the bytes of its put", (t) => {
  breaks(t, undefined, (w) => {
    w.put(1, one);
    w.ledger.readNewest(path, (w.ms += 1), { version: 1, digest: one });
  });
  breaks(t, "V1", (w) => {
    w.put(1, one);
    w.ledger.readVersion(path, 1, (w.ms += 1), { version: 1, digest: two });
  });
  breaks(t, "V1", (w) => w.ledger.readNewest(path, 1, { version: 1, digest: one }));
  breaks(t, "V1", (w) => {
    const put = w.ledger.startPut(path, one, undefined);
    w.ledger.refused(put);
    w.ledger.readNewest(path, w.ms, { version: 1, digest: one });
  });
});

test("V1: a put without an outcome may be read, but is one version only", (t) => {
  const unknown = (w: World): void => {
    w.ledger.unknown(w.ledger.startPut(path, one, undefined));
    w.ledger.readNewest(path, w.ms, { version: 1, digest: one });
  };
  breaks(t, undefined, unknown);
  breaks(t, "V1", (w) => {
    unknown(w);
    w.ledger.readNewest(path, w.ms, { version: 2, digest: one });
  });
});

test("V2: what was acknowledged before a read is what it answers, or a later version", (t) => {
  breaks(t, "V2", (w) => {
    w.put(1, one);
    w.put(2, two);
    w.ledger.readNewest(path, (w.ms += 1), { version: 1, digest: one });
  });
  breaks(t, "V2", (w) => {
    w.put(1, one);
    w.ledger.readNewest(path, (w.ms += 1), undefined);
  });
  breaks(t, undefined, (w) => {
    w.put(1, one);
    const startMs = (w.ms += 1);
    w.put(2, two);
    w.ledger.readNewest(path, startMs, { version: 1, digest: one });
  });
});

test("V2: what one reader saw, the next one sees", (t) => {
  breaks(t, "V2", (w) => {
    w.put(1, one);
    w.ledger.unknown(w.ledger.startPut(path, two, undefined));
    w.ledger.readNewest(path, (w.ms += 1), { version: 2, digest: two });
    w.ledger.readNewest(path, (w.ms += 1), { version: 1, digest: one });
  });
});

test("V2: a version that is kept is found until it may be gone", (t) => {
  breaks(t, "V2", (w) => {
    for (let version = 1; version <= 5; version += 1) w.put(version, one);
    w.ledger.readVersion(path, 1, (w.ms += 1), undefined);
  });
  breaks(t, undefined, (w) => {
    for (let version = 1; version <= 6; version += 1) w.put(version, one);
    w.ledger.readVersion(path, 1, (w.ms += 1), undefined);
  });
  breaks(t, undefined, (w) => {
    w.put(1, one);
    w.ledger.unknown(w.ledger.startRemove(path));
    w.ledger.readNewest(path, (w.ms += 1), undefined);
    w.ledger.readVersion(path, 1, w.ms, undefined);
  });
});

test("V3: what was removed is not read", (t) => {
  breaks(t, "V3", (w) => {
    w.put(1, one);
    w.ms += 1;
    w.remove();
    w.ledger.readNewest(path, (w.ms += 1), { version: 1, digest: one });
  });
});

test("V4: a version is given once, and later puts get later ones", (t) => {
  breaks(t, "V4", (w) => {
    const first = w.ledger.startPut(path, one, undefined);
    const second = w.ledger.startPut(path, one, undefined);
    w.ledger.acknowledged(first, 1, 4);
    w.ledger.acknowledged(second, 1, 4);
  });
  breaks(t, "V4", (w) => {
    w.put(2, one);
    w.ms += 1;
    w.put(1, two);
  });
});

test("V5: a put with ifVersion follows that version, and is not refused for nothing", (t) => {
  breaks(t, "V5", (w) => {
    w.put(1, one);
    w.put(3, two, { ifVersion: 1 });
  });
  const conflict = (w: World): void =>
    w.ledger.conflicted(w.ledger.startPut(path, two, w.ledger.kept[0]?.version ?? 0));
  breaks(t, "V5", (w) => {
    w.put(1, one);
    conflict(w);
  });
  breaks(t, undefined, (w) => {
    w.put(1, one);
    w.ledger.unknown(w.ledger.startPut(path, two, undefined));
    conflict(w);
  });
});

test("V6: an acknowledged version has its copies", (t) => {
  breaks(t, "V6", (w) => void w.put(1, one, { copies: 3 }));
});

test("in the end every version that must be there is there", (t) => {
  breaks(t, "V2", (w) => {
    w.put(1, one);
    w.put(2, two);
    w.ledger.readVersions(path, (w.ms += 1), [2]);
  });
  breaks(t, undefined, (w) => {
    w.put(1, one);
    w.remove();
    w.put(2, two);
    w.ledger.readVersions(path, (w.ms += 1), [2]);
  });
});

/** When small files are read in the loop's own turn. */
import test from "ava";
import { QuickReads, restMs, slowMs } from "../../../src/sdfs/chunks/quick-reads.ts";

/** Reads on a clock that only they move. */
class Stage {
  now = 0;
  readonly #soon: (() => void)[] = [];
  readonly quick = new QuickReads({
    now: () => this.now,
    soon: (run) => this.#soon.push(run),
  });

  read(ms: number, failure?: Error): void {
    this.quick.try(() => {
      this.now += ms;
      if (failure !== undefined) throw failure;
    });
  }

  nextTurn(): void {
    for (const run of this.#soon.splice(0)) run();
  }
}

test("after a slow read there is none in the loop's own turn for a while (Q1)", (t) => {
  const stage = new Stage();
  stage.read(slowMs);
  t.true(stage.quick.mayTry, "quick enough");
  stage.nextTurn();
  stage.read(slowMs + 1);
  t.false(stage.quick.mayTry);
  stage.nextTurn();
  stage.now += restMs - 1;
  t.false(stage.quick.mayTry);
  stage.now += 1;
  t.true(stage.quick.mayTry);
});

test("many quick reads of one turn are slow together, of several turns they are not (Q1)", (t) => {
  const stage = new Stage();
  for (let n = 0; n < 10; n += 1) {
    stage.read(slowMs / 2);
    stage.nextTurn();
  }
  t.true(stage.quick.mayTry);
  for (let n = 0; n < 3; n += 1) stage.read(slowMs / 2);
  t.false(stage.quick.mayTry);
});

test("a disk that takes long to say that it cannot read is slow, too; one that says so at once is not (Q1)", (t) => {
  const stage = new Stage();
  const failure = new Error("EIO");
  t.throws(() => stage.read(slowMs / 2, failure), { is: failure });
  t.true(stage.quick.mayTry);
  stage.nextTurn();
  t.throws(() => stage.read(slowMs + 1, failure), { is: failure });
  t.false(stage.quick.mayTry);
});

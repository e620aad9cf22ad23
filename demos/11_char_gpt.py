"""A language model of single characters: a small GPT learns a tiny English from nothing but its text.

    python demos/11_char_gpt.py

The text is made by a grammar of our own, so that what a model can know is known exactly. "the cat that the geese see
sleeps." is a sentence; "the cat that the geese see sleep." is not, since it is the cat that sleeps, six words back:
only a model that looks back over the geese gets it right. You will see the text that the model writes turn from noise
into words, words into sentences and sentences into right ones; its loss come down past what the last letter alone can
tell to the uncertainty of the grammar itself, below which no model can go; how sure it is of a verb after nouns that
mislead; and where its attention looks.

Its pictures need `autograd_mini[demos]`.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.nn import functional as F

GRAMMAR = {  # each name in braces stands for one of its alternatives, all equally likely
    "sentence": ["{one} {does}.", "{many} {do}."],
    "one": ["the {animal}", "the {kind} {animal}", "the {animal} {clause}"],
    "many": ["the {animals}", "the {kind} {animals}", "the {animals} {clause}"],
    "clause": ["that the {animal} {sees}", "that the {animals} {see}"],
    "does": ["{sleeps}", "{sees} {object}"],
    "do": ["{sleep}", "{see} {object}"],
    "object": ["the {animal}", "the {animals}", "the {kind} {animal}", "the {kind} {animals}"],
    "animal": ["cat", "goose", "mouse", "owl", "wolf", "fox"],
    "animals": ["cats", "geese", "mice", "owls", "wolves", "foxes"],
    "kind": ["old", "small", "red", "happy"],
    "sleeps": ["sleeps", "sings", "swims", "runs"],
    "sleep": ["sleep", "sing", "swim", "run"],
    "sees": ["sees", "likes", "chases", "knows"],
    "see": ["see", "like", "chase", "know"],
}
NAME = re.compile(r"{(\w+)}")
END = "\n"  # begins and ends a sentence
BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#777777"


# ---------------------------------------------------------------------------------------------------- the language


def draw(rule: str, rng: np.random.Generator) -> tuple[str, float]:
    """A text for the rule, and the logarithm of its probability."""
    choice = GRAMMAR[rule][rng.integers(len(GRAMMAR[rule]))]
    log_p = -math.log(len(GRAMMAR[rule]))
    while (name := NAME.search(choice)) is not None:
        text, log_q = draw(name[1], rng)
        choice, log_p = choice.replace(name[0], text, 1), log_p + log_q
    return choice, log_p


def pattern(rule: str) -> str:
    """A regular expression for all texts of the rule."""
    alternatives = (choice.replace(".", r"\.") for choice in GRAMMAR[rule])
    return "(?:" + "|".join(NAME.sub(lambda name: pattern(name[1]), choice) for choice in alternatives) + ")"


def encode(sentences: list[str], letters: str, length: int) -> am.Tensor:
    """(N, length + 1) numbers of letters, END before and after each sentence, then -100: nothing to predict."""
    rows = np.full((len(sentences), length + 1), -100)
    for row, sentence in zip(rows, sentences, strict=True):
        row[: len(sentence) + 2] = [letters.index(c) for c in END + sentence + END]
    return am.from_numpy(rows)


def bigram_loss(train: list[str], test: list[str]) -> float:
    """Nats per letter for one who knows how often each letter follows each, and sees the last one only."""
    pairs = Counter(p for s in train for p in zip(END + s, s + END, strict=True))
    firsts = Counter(c for s in train for c in END + s)
    asked = [p for s in test for p in zip(END + s, s + END, strict=True)]
    return -sum(math.log(max(pairs[p], 0.5) / firsts[p[0]]) for p in asked) / len(asked)


# ------------------------------------------------------------------------------------------------------- the model


class Block(nn.Module):
    """Each position looks back at the others, then thinks for itself; both add to what was there (GPT-2's order)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))

    def split(self, x: am.Tensor) -> tuple[am.Tensor, ...]:
        """Queries, keys and values, each (N, heads, T, width / heads)."""
        n, length, _ = x.shape
        parts = self.qkv(self.norm1(x)).chunk(3, -1)
        return tuple(part.reshape(n, length, self.heads, -1).transpose(1, 2) for part in parts)

    def forward(self, x: am.Tensor) -> am.Tensor:
        q, k, v = self.split(x)
        looked = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(looked.transpose(1, 2).flatten(2))
        return x + self.think(self.norm2(x))

    def attention(self, x: am.Tensor) -> am.Tensor:
        """(N, heads, T, T): how much each position (row) looks at each (column)."""
        q, k, _ = self.split(x)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        return scores.masked_fill(am.ones_like(scores).triu(1).bool(), -math.inf).softmax(-1)


class GPT(nn.Module):
    """Numbers of letters (N, T) to scores for the next letter (N, T, letters)."""

    def __init__(self, letters: int, length: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.letter, self.place = nn.Embedding(letters, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.scores = nn.LayerNorm(width), nn.Linear(width, letters)
        for table in (self.letter, self.place):
            nn.init.normal_(table.weight, std=0.1)

    def embed(self, letters: am.Tensor) -> am.Tensor:
        return self.letter(letters) + self.place(am.arange(letters.shape[1]))

    def forward(self, letters: am.Tensor) -> am.Tensor:
        return self.scores(self.norm(self.blocks(self.embed(letters))))


def loss_of(model: GPT, rows: am.Tensor) -> am.Tensor:
    """Mean nats per letter."""
    longest = int((rows >= 0).sum(1).max())
    given, wanted = rows[:, : longest - 1].clamp(min=0), rows[:, 1:longest]
    return F.cross_entropy(model(given).flatten(0, 1), wanted.flatten())


def write(model: GPT, letters: str, count: int, length: int, rng: np.random.Generator) -> list[str]:
    """So many sentences, letter by letter, each drawn with the probability that the model gives it."""
    rows = np.full((count, 1), letters.index(END))
    with am.no_grad():
        for _ in range(length):
            chances = model(am.from_numpy(rows))[:, -1].softmax(-1).numpy()
            drawn = (chances.cumsum(1) < rng.random((count, 1)) * chances.sum(1, keepdims=True)).sum(1)
            rows = np.concatenate([rows, drawn[:, None]], 1)
            if (rows[:, 1:] == rows[0, 0]).any(1).all():
                break
    return ["".join(letters[i] for i in row[1:]).split(END)[0] for row in rows]


def surprise(model: GPT, letters: str, begun: str, endings: list[str]) -> list[float]:
    """The probability of each ending after what was begun."""
    found = []
    for ending in endings:
        row = am.tensor([[letters.index(c) for c in END + begun + ending]])
        with am.no_grad():
            logs = model(row[:, :-1]).log_softmax(-1)[0]
        steps = range(len(begun), len(begun) + len(ending))
        found.append(math.exp(sum(logs[t, int(row[0, t + 1])].item() for t in steps)))
    return found


# ----------------------------------------------------------------------------------------------------- the pictures


def plot_losses(losses: list[float], tested: dict[int, float], lines: dict[str, float]) -> Any:
    figure = common.figure(8, 4.6)
    axes = figure.subplots()
    axes.plot(np.arange(len(losses)) + 1, losses, color=BLUE, alpha=0.6, linewidth=0.8, label="training batches")
    axes.plot(np.array(list(tested)) + 1, list(tested.values()), "o", color=ORANGE, markersize=5, label="new sentences")
    for (name, value), style in zip(lines.items(), (":", "-.", "--"), strict=True):
        axes.axhline(value, color=GRAY, linestyle=style, label=f"{name}: {value:.3f}")
    axes.set(xlabel="batches seen", ylabel="nats per letter", xscale="log", ylim=(0, None))
    axes.set_title("What is left to guess: the GPT comes down to the grammar's own uncertainty")
    axes.legend(loc="upper right")
    axes.grid(alpha=0.3)
    return figure


def plot_attention(model: GPT, letters: str, sentence: str) -> Any:
    """Where each head looks from the last letter of a sentence that is not finished."""
    x = model.embed(am.tensor([[letters.index(c) for c in END + sentence]]))
    with am.no_grad():
        weights = [block.attention(model.blocks[:i](x) if i else x) for i, block in enumerate(model.blocks)]
    rows = am.cat(weights, 1)[0, :, -1].numpy()
    names = [f"layer {i + 1}, head {h + 1}" for i, block in enumerate(model.blocks) for h in range(block.heads)]
    figure = common.figure(10, 0.42 * len(rows) + 1.8)
    axes = figure.subplots()
    image = axes.imshow(rows, cmap="Blues", aspect="auto", vmin=0)
    axes.set_xticks(range(len(sentence) + 1), ["↵", *sentence.replace(" ", "␣")], family="DejaVu Sans Mono")
    axes.set_yticks(range(len(rows)), names)
    axes.set_title(f"Where each head looks, before it writes what follows “{sentence}”")
    figure.colorbar(image, label="attention")
    return figure


# -------------------------------------------------------------------------------------------------------- the story


def train(
    model: GPT, rows: am.Tensor, test: am.Tensor, steps: int, batch: int, tell: Callable[[int, float], None]
) -> tuple[list[float], dict[int, float]]:
    """AdamW on random batches, warmed up and then cooled down; the loss of each, and at some steps that of the test."""
    optimizer = optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps + 1, pct_start=0.1)
    rng, losses, tested = np.random.default_rng(2), [], {}
    pauses = {round(share * steps) for share in (0, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1)}
    pauses = pauses if steps > 500 else {0, steps // 8, steps // 2, steps}  # to write takes longer than to learn
    for step in range(steps + 1):
        loss = loss_of(model, rows[am.from_numpy(rng.integers(len(rows), size=batch))])
        losses.append(loss.item())
        if step in pauses:
            with am.no_grad():
                tested[step] = loss_of(model, test).item()
            tell(step, tested[step])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return losses, tested


def judged(written: list[str], known: list[str], words: set[str]) -> tuple[list[str], list[str], float]:
    """Those that obey the grammar, those of them that were not learned from, and how many of all words are words."""
    rule = re.compile(pattern("sentence"))
    right = [s for s in written if rule.fullmatch(s)]
    spelled = [w in words for s in written for w in s.rstrip(".").split()]
    return right, [s for s in right if s not in set(known)], float(np.mean(spelled))


def agreement(model: GPT, letters: str, begun: str) -> list[float]:
    """How probable a verb for one is to follow, and how probable one for many."""
    ends = [[f"{v}." for v in GRAMMAR[last]] + [f"{v} " for v in GRAMMAR[other]]
            for last, other in (("sleeps", "sees"), ("sleep", "see"))]  # fmt: skip
    return [float(sum(surprise(model, letters, begun, verbs))) for verbs in ends]


def main(argv: list[str] | None = None) -> dict[str, Any]:
    story = "Train a small GPT on sentences of a grammar."
    args = common.arguments(argv, __file__, story, fast="a smaller model and fewer steps, in seconds")
    steps = 120 if args.fast else 1000

    am.manual_seed(0)
    rng = np.random.default_rng(1)
    drawn = [draw("sentence", rng) for _ in range(5000)]
    sentences = [text for text, _ in drawn]
    held = slice(4800 if args.fast else 4500, None)
    known, new = sentences[: held.start], sentences[held]
    count = sum(len(s) + 1 for s in new)
    floor = -sum(log_p for _, log_p in drawn[held]) / count
    letters = "".join(sorted(set("".join(sentences)) | {END}))
    length = max(map(len, sentences)) + 1
    print(f"{len(known):,} sentences to learn from, {len(letters)} letters; the first:")
    print(*(f"    {s}" for s in known[:4]), sep="\n")

    lines = {
        "guessing blindly": math.log(len(letters)),
        "from the last letter": bigram_loss(known, new),
        "the grammar's uncertainty": floor,
    }
    print("\nNats per letter of new sentences, for one who is")
    print(*(f"    {name:<26}{value:.3f}" for name, value in lines.items()), sep="\n")

    model = GPT(len(letters), length, *((32, 2, 1) if args.fast else (64, 4, 2)))
    print(f"\nA GPT of {sum(p.numel() for p in model.parameters()):,} weights\n")
    writer = np.random.default_rng(3)

    def tell(step: int, loss: float) -> None:
        print(f"step {step:>5}  loss {loss:.3f}  {write(model, letters, 1, length, writer)[0]}", flush=True)

    start = time.perf_counter()
    rows, test = encode(known, letters, length), encode(new, letters, length)
    losses, tested = train(model, rows, test, steps, 16 if args.fast else 32, tell)
    seconds = time.perf_counter() - start

    written = write(model, letters, 60 if args.fast else 500, length, writer)
    right, fresh, spelled = judged(written, known, {w for s in sentences for w in s.rstrip(".").split()})
    print(f"\nTrained in {seconds:.0f} s. Of {len(written)} sentences that it writes, {len(right)} obey the grammar,")
    print(f"{len(fresh)} of these it never read; {spelled:.1%} of its words are words. Some:")
    print(*(f"    {s}" for s in (fresh or written)[:6]), sep="\n")

    begun = "the cat that the geese see "
    one, many = agreement(model, letters, begun)
    print(f"\nAfter “{begun}…” a verb for one (right) has probability {one:.3f}, one for many (wrong) {many:.3f}")

    (args.out / "text.txt").write_text("\n".join(written) + "\n")
    print(f"All that it wrote: {args.out / 'text.txt'}")
    args.pictures.draw("losses.png", plot_losses, losses, tested, lines)
    args.pictures.draw("attention.png", plot_attention, model, letters, begun + "sleep")
    args.pictures.tell()
    return {
        "losses": list(tested.values()), "bigram": lines["from the last letter"], "floor": floor,
        "right": len(right) / len(written), "new": len(fresh), "spelled": spelled, "one": one,
        "many": many, "seconds": seconds, "wrong": [s for s in written if s not in right][:5],
    }  # fmt: skip


if __name__ == "__main__":
    common.tell(main)

"""Invented comparisons of given lengths in tokens. Nothing here is anybody's data."""

import itertools
import random
from dataclasses import dataclass

ONSETS = "b d f g h k l m n p r s t v z br dr gl kr pl sk st tr sh".split()
VOWELS = "a e i o u ai ea ou".split()
CODAS = ["", "", "", "n", "r", "s", "l", "t", "nd", "st"]


@dataclass(frozen=True)
class Profile:
    """Lengths in tokens: median and log-normal spread of prompts and of responses."""

    name: str
    about: str
    prompt: tuple
    response: tuple
    n_responses: int


PROFILES = {
    p.name: p
    for p in [
        Profile("short", "pairs as short as chat and translation data: prompts of 60, responses of 80 tokens", (60, 0.6), (80, 0.7), 2),
        Profile("rewardbench", "pairs like RewardBench's: prompts of 250, responses of 350 tokens", (250, 0.5), (350, 0.5), 2),
        Profile("best-of-4", "best of 4 with long prompts: prompts of 1,500, responses of 200 tokens", (1500, 0.2), (200, 0.4), 4),
    ]
}


class Inventor:
    """Text of invented words whose frequencies fall as words' do (Zipf)."""

    def __init__(self, seed, n_words=20_000):
        self.random = random.Random(seed)
        words = set()
        while len(words) < n_words:
            words.add("".join(self.syllable() for _ in range(self.random.choice([1, 2, 2, 3]))))
        self.words = sorted(words)
        self.random.shuffle(self.words)
        self.weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(n_words)))

    def syllable(self):
        pick = self.random.choice
        return pick(ONSETS) + pick(VOWELS) + pick(CODAS)

    def sentence(self):
        n = self.random.randint(5, 18)
        words = self.random.choices(self.words, cum_weights=self.weights, k=n)
        return " ".join(words).capitalize() + self.random.choice(". . . ? !".split())

    def text(self, n_tokens, count):
        """About `n_tokens` long by `count`, which says how many tokens a text has; cut at a word."""
        words = []
        while len(words) < n_tokens:
            words += self.sentence().split()
        per_word = count(" ".join(words[:n_tokens])) / n_tokens
        return " ".join(words[: max(1, round(n_tokens / per_word))])

    def length(self, median, spread):
        return max(4, round(median * self.random.lognormvariate(0, spread)))


def comparisons(profile, n, seed, count, longest):
    """`n` comparisons as dicts: id, prompt, responses (the first is the chosen one). No sequence is longer than
    `longest` tokens, so that nothing is cut on either side."""
    inventor = Inventor(seed)
    items = []
    for index in range(n):
        prompt = min(inventor.length(*profile.prompt), longest * 3 // 4)
        room = longest - prompt - 64
        lengths = [min(inventor.length(*profile.response), room) for _ in range(profile.n_responses)]
        items.append(
            {
                "id": f"item-{index:04d}",
                "prompt": inventor.text(prompt, count),
                "responses": [inventor.text(n, count) for n in lengths],
            }
        )
    return items

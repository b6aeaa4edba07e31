"""MinHash signatures as evotel's Go library makes them, with the standard library only.

Run as a program it prints the test vectors of minhash.json.
"""

MASK = (1 << 64) - 1


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


SEEDS = [mix((i + 1) * 0x9E3779B97F4A7C15 & MASK) for i in range(128)]


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def minhash(tokens):
    hashes = {fnv1a(token.encode()) for token in tokens}
    return [min((mix(h ^ seed) >> 32 for h in hashes), default=0xFFFFFFFF) for seed in SEEDS]


if __name__ == "__main__":
    import json

    cases = [[], ["a"], ["a", "b"], ["def", "f", "(", "x", ")", ":", "return", "x"], ["größe", "进化", ""]]
    print("[")
    print(",\n".join(json.dumps({"tokens": c, "signature": minhash(c)}, ensure_ascii=False) for c in cases))
    print("]")

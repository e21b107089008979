"""Fixed texts on which GGUF files of one model are compared: Japanese, English, code and emoji."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TEXTS: Mapping[str, Sequence[str]] = {
    "Japanese": (
        "東京の冬は乾燥していて、晴れる日が多い。朝は冷えるが、昼になると日差しが暖かく感じられる。",
        "この契約書には、第三者への再委託を禁止する条項が含まれています。まず法務部に確認してください。",
        "ご注文ありがとうございます。商品は3営業日以内に発送いたします。「翌日配達」は①離島を除きます。",
        "昔々、ある山の麓に、おじいさんとおばあさんが住んでいました。ｶﾀｶﾅや𠮷野家も読めますか?",
        "薬を飲む前に、必ず医師または薬剤師に相談し、説明書をよく読んでください。",
        "次の問題を解きなさい。りんごが12個あり、3人で同じ数ずつ分けると、一人何個になりますか。",
    ),
    "English": (
        "The committee will publish its decision on Thursday, after it has heard both sides of the dispute.",
        "Please keep the receipt: without it we can't refund the full price, only exchange the item.",
        "Water boils at 100 degrees Celsius at sea level, but at a lower temperature in the mountains.",
        "Dear Dr. O'Neill, thank you for your letter of 14 March; the samples arrived in good condition.",
        "If a train leaves at 9:40 and travels for two hours and fifty minutes, it arrives at half past twelve.",
        "She opened the door quietly, looked down the naïve façade of the old café, and smiled.",
    ),
    "code": (
        "def mean(values: list[float]) -> float:\n    if not values:\n        return 0.0\n    return sum(values) / 2\n",
        "SELECT name, COUNT(*) AS orders\nFROM customers JOIN orders USING (id)\nGROUP BY name HAVING COUNT(*) > 3;",
        'for (int i = 0; i < n; ++i) {\n\tif (a[i] != b[i]) return false; // "differs"\n}\nreturn true;\n',
        '{"name": "so8t", "sizes": [1, 2.5, -3e-7], "nested": {"ok": true, "none": null}}',
        "#!/bin/sh\nset -eu\nfind . -name '*.log' -mtime +7 -print0 | xargs -0 rm -f --\necho \"done: $?\"\n",
        "$$\\int_0^1 x^2\\,dx = \\frac{1}{3}$$ and `git commit -m 'Fix'` in <b>HTML</b> &amp; Markdown.",
    ),
    "emoji": (
        "Thanks so much 🙏 see you tomorrow at the station 🚉 and bring your camera 📷!",
        "Our family 👨‍👩‍👧‍👦 loves hiking 🥾, pizza 🍕 and the flag of Japan 🇯🇵 in the garden.",
        "今日は最高の一日でした🎉✨ また来週も会いましょうね😊",
        "Weather: ☀️ 24°C → ⛈️ 17°C, wind 5 m/s, humidity 80 % ✅",
        "The reviewers voted 👍🏽👍🏿👎 and the rest said 🤷‍♀️ or nothing at all.",
        "Warning ⚠️: do not mix bleach and ammonia ☠️; call 📞 for help instead.",
    ),
}

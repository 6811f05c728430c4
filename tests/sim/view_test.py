#!/usr/bin/env python3
"""tests/sim/view_test.py - what `weft-sim --view` writes: a run as text, and as a page that needs nothing from elsewhere.

The page's script is run by Node on a canvas that writes down what is drawn (page.mjs). Where there is a Chromium it opens
the page too."""

import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from lib.weft import HOUSE  # noqa: E402

SIM = os.environ["WEFT_SIM_BINARY"]
SEED = 8  # one with faults that last
NODE = shutil.which("node", path=os.pathsep.join([os.path.join(HOUSE, ".venv", "bin"), os.environ["PATH"]]))
CHROMIUM = shutil.which("chromium")


class Page(html.parser.HTMLParser):
    """Its tags with their attributes, and its policy."""
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def policy(self):
        return [attrs["content"] for tag, attrs in self.tags
                if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"]


def texts(seen):
    return [text["text"] for text in seen["texts"]]


class ViewTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.done = subprocess.run([SIM, "--scenario", "mesh", "--seed", str(SEED), "--view", cls.folder.name], check=False,
                                  stdout=subprocess.PIPE, text=True)
        cls.path = os.path.join(cls.folder.name, "sim-%d-mesh.html" % SEED)
        with open(cls.path, encoding="utf-8") as page:
            cls.html = page.read()
        with open(cls.path.replace(".html", ".txt"), encoding="utf-8") as text:
            cls.text = text.read()
        done = subprocess.run([NODE, os.path.join(HERE, "page.mjs"), cls.path], check=True, stdout=subprocess.PIPE)
        cls.seen = json.loads(done.stdout)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_both_are_named(self):
        self.assertEqual(self.done.returncode, 0)
        self.assertIn(self.path, self.done.stdout)

    def test_the_page_takes_nothing_from_elsewhere(self):
        page = Page(self.html)
        self.assertEqual(page.policy(), ["default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"])
        self.assertEqual([tag for tag, _ in page.tags].count("script"), 1)
        for tag, attrs in page.tags:
            self.assertFalse({"src", "href"} & set(attrs), tag)
        self.assertIsNone(re.search(r"https?:|url\(|@import|fetch\(|XMLHttpRequest|innerHTML", self.html))

    def test_every_host_has_a_lane_that_is_drawn(self):
        lanes = self.seen["lanes"]
        told = set(re.findall(r"^\d+ (\w+) (?:dials|accepts|logs:|starts)", self.text, re.M))
        self.assertTrue({"people", "g1", "p1"} <= told <= set(lanes), told)
        for lane in ["story"] + lanes:
            self.assertIn(lane, texts(self.seen["all"]))
        self.assertGreater(self.seen["tall"], 30 * len(lanes))

    def test_all_of_it_is_drawn_where_it_can_be_seen(self):
        seen = self.seen["all"]
        kinds = {self.seen["kinds"][mark[1]] for mark in self.seen["marks"]}
        self.assertEqual(kinds, set(self.seen["kinds"]))
        for kind in kinds:
            self.assertIn("--" + kind, {rect["colour"] for rect in seen["rects"]})
        for rect in seen["rects"]:
            self.assertTrue(-8 <= rect["x"] <= self.seen["wide"] and 0 <= rect["y"] < self.seen["tall"], rect)
        for text in seen["texts"]:
            self.assertTrue(0 <= text["x"] < self.seen["wide"] and 0 < text["y"] < self.seen["tall"], text)

    def test_events_can_be_read(self):
        rows = [" ".join(row) for row in self.seen["all"]["rows"]]
        logged = re.search(r"^\d+ p1 logs: (.*)$", self.text, re.M).group(1)
        self.assertTrue(any("p1 " + logged in row for row in rows), logged)
        self.assertTrue(any("note story fault on: " in row for row in rows))
        self.assertTrue(self.seen["all"]["count"].startswith("%d faults" % len(
            [mark for mark in self.seen["marks"] if mark[1] >= 3])))
        self.assertIn(self.seen["fault"][5], self.seen["tip"])
        self.assertIn(self.seen["lanes"][self.seen["fault"][2]], self.seen["tip"])
        self.assertIn(self.seen["fault"][5], texts(self.seen["all"]))  # in its bar

    def test_one_can_move_in_it(self):
        first, zoomed, moved, gone = (self.seen[name] for name in ("all", "zoomed", "moved", "gone"))
        self.assertAlmostEqual(zoomed["to"] - zoomed["from"], 0.8 * (first["to"] - first["from"]), delta=2)
        self.assertLess(len(zoomed["rows"]), len(first["rows"]))
        self.assertGreater(moved["from"], zoomed["from"])
        self.assertLessEqual(moved["to"], first["to"])
        self.assertEqual(gone["to"] - gone["from"], 2e6)
        self.assertEqual(self.seen["notes"]["to"], first["to"])
        self.assertEqual({row[1] for row in self.seen["notes"]["rows"]}, {"note"})

    def test_light_and_dark_have_colours_of_their_own(self):
        light, dark = re.findall(r":root\{(.*?)\}", self.html, re.S)
        names = [set(re.findall(r"--(\w+):", half)) for half in (light, dark)]
        self.assertEqual(names[0], names[1])
        self.assertTrue(set(self.seen["kinds"]) <= names[0])
        self.assertNotEqual(re.search(r"--back:(\S+?);", light).group(1), re.search(r"--back:(\S+?);", dark).group(1))

    def test_a_browser_shows_it(self):
        if not CHROMIUM:
            self.skipTest("no Chromium here; the page's script has run above")
        with tempfile.TemporaryDirectory() as profile:
            done = subprocess.run(
                [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + profile,
                 "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom", "file://" + self.path], check=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        self.assertNotIn("CONSOLE", done.stderr)
        self.assertEqual(done.stdout.count("<tr"), len(self.seen["all"]["rows"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)

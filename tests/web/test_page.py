"""The page in a real browser: what a person does, on our graphs and on those of other programs."""

import json
import os
import re
import shutil
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from gearscope.graph.panels import connections
from gearscope.graph.store import read_graph, write_graph
from gearscope.web.app import STATIC
from tests.house.tree import REPOSITORY
from tests.web.conftest import small_graph
from tests.web.test_server import served

pytestmark = pytest.mark.browser
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
AXE = REPOSITORY / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
WAIT = 15_000


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        assert not os.environ.get("CI"), "browser tests never skip in continuous integration: install chromium"
        pytest.skip("no Chromium on this machine; install one, or name it in CHROMIUM")
    assert (STATIC / "index.html").is_file(), "the page is not built: python frontend/node.py build"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Browser, shelf_folder: Path) -> Generator[Callable[..., Page]]:
    """Open the page over the folder; every script error or refused content fails the test."""
    problems: list[str] = []
    with ExitStack() as stack:
        _, url = stack.enter_context(served(str(shelf_folder)))

        def begin(name: str | None = None, **settings) -> Page:
            context = browser.new_context(viewport={"width": 1366, "height": 768}, **settings)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(WAIT)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda message: problems.extend(complaints(message)))
            page.goto(url)
            page.wait_for_selector("li.panel, .empty")
            if name is not None:
                page.locator("li.panel", has_text=name).locator("a").click()
                page.wait_for_selector("g.node")
            return page

        yield begin
    assert problems == []


def complaints(message: ConsoleMessage) -> list[str]:
    """Errors on the console; a browser also notes there every mistake that the server answered in a sentence."""
    answered = "the server responded with a status of 4" in message.text
    return [message.text] if message.type == "error" and not answered else []


def node(page: Page, name: str):
    return page.locator(f'g.node[data-id="{name}"]')


@pytest.mark.parametrize(("name", "count"), [("capital-state-dallas", 94), ("dallas-austin-llamma", 60)])
def test_graphs_of_other_programs_open(opened, shelf_folder, fixtures_dir, name, count):
    shutil.copy(fixtures_dir / "graphs" / f"{name}.json", shelf_folder)
    page = opened(f"{name}.json")
    expect(page.locator("g.node")).to_have_count(count)
    expect(page.locator(".word").last).to_contain_text("is")
    graph = read_graph(fixtures_dir / "graphs" / f"{name}.json")
    answer = graph.nodes.ids[graph.layout.targets.start]
    node(page, answer).click()
    strongest = connections(graph, graph.layout.targets.start, 1).inputs[0]
    row = page.locator("aside table tbody tr").first
    expect(row).to_contain_text(f"{strongest.share:.1%}".replace("%", " %"))
    page.locator("#prune").fill("0.3")
    expect(page.locator("g.node")).not_to_have_count(count)
    page.get_by_role("button", name="table").click()
    page.get_by_role("button", name="text", exact=True).click()
    expect(page.locator("pre")).to_contain_text("WHAT FEEDS")


def test_groups_of_the_published_graph_are_boxes(opened, shelf_folder, fixtures_dir):
    shutil.copy(fixtures_dir / "graphs" / "capital-state-dallas.json", shelf_folder)
    page = opened("capital-state-dallas.json")
    expect(page.locator(".box.group")).to_have_count(6)
    expect(page.locator(".box.group", has_text="say Austin")).to_be_visible()
    boxes = [box.bounding_box() for box in page.locator(".box").all()]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            apart = (
                a["x"] + a["width"] <= b["x"]
                or b["x"] + b["width"] <= a["x"]
                or a["y"] + a["height"] <= b["y"]
                or b["y"] + b["height"] <= a["y"]
            )
            assert apart, "boxes overlap"


def test_click_pin_group_rename_label_undo_and_save(opened, shelf_folder):
    page, graph = opened("small.json"), small_graph()
    other = graph.nodes.ids[3]
    node(page, other).click()
    page.keyboard.press("p")
    expect(node(page, other)).to_have_class(re.compile("pinned"))
    page.keyboard.press("u")
    expect(node(page, other)).not_to_have_class(re.compile("pinned"))
    page.keyboard.press("Shift+U")
    expect(node(page, other)).to_have_class(re.compile("pinned"))
    page.locator(".box:not(.group) input[type=checkbox]").check()
    page.get_by_role("button", name="Group", exact=True).click()
    expect(page.locator(".box.group")).to_have_count(2)
    page.locator(".box.group", has_text="group").locator("button").dblclick()
    page.get_by_label("New name").fill("</script><img src=x>")
    page.keyboard.press("Enter")
    page.get_by_label("Label", exact=True).fill("says <b>ten</b>")
    page.keyboard.press("Enter")
    page.get_by_label("Label", exact=True).blur()
    page.keyboard.press("s")
    expect(page.locator(".note")).to_have_text("saved into the file")
    stored = read_graph(shelf_folder / "small.json")
    assert stored.pinned == (*graph.pinned, other)
    assert {group.name for group in stored.supernodes} == {"two", "</script><img src=x>"}
    assert stored.nodes.labels[3] == "says <b>ten</b>"
    assert page.locator("img[src=x]").count() == 0


def test_the_address_reopens_the_view(opened):
    page, name = opened("small.json"), small_graph().nodes.ids[2]
    node(page, name).click()
    page.keyboard.press("p")
    page.locator("#prune").fill("0.7")
    page.get_by_role("button", name="table").click()
    expect(page.locator("thead", has_text="influence")).to_be_visible()
    page.wait_for_function("location.hash.includes('mode=table') && location.hash.includes('node=0.7')")
    again = page.context.new_page()
    again.goto(page.url)
    expect(again.locator("thead", has_text="influence")).to_be_visible()
    expect(again.locator("#prune")).to_have_value("0.7")
    expect(again.locator("tr.chosen")).to_have_count(1)
    expect(again.locator("tr.chosen input")).to_be_checked()


def test_the_slider_changes_nodes_and_scores(opened):
    page = opened("small.json")
    before = page.locator("g.node").count()
    score = page.locator("tr", has_text="replacement").locator("td").first.inner_text()
    page.locator("#prune").fill("0.4")
    expect(page.locator("g.node")).not_to_have_count(before)
    expect(page.locator("tr", has_text="replacement").locator("td").first).not_to_have_text(score)
    expect(page.locator("tr", has_text="replacement")).to_contain_text("whole graph")


def test_arrows_walk_to_the_strongest_input_and_search_finds(opened):
    page, graph = opened("small.json"), small_graph()
    goal = graph.layout.targets.start
    node(page, graph.nodes.ids[goal]).click()
    for _ in range(2):
        page.keyboard.press("ArrowDown")
        goal = connections(graph, goal, 1).inputs[0].node if connections(graph, goal, 1).inputs else goal
        expect(node(page, graph.nodes.ids[goal])).to_have_class(re.compile("chosen"))
    page.keyboard.press("/")
    page.keyboard.type(graph.nodes.labels[1])
    page.keyboard.press("Enter")
    expect(page.locator("aside .title")).to_contain_text(graph.nodes.labels[1])
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Reading a circuit")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_hostile_text_stays_text(opened, shelf_folder):
    graph = small_graph()
    data = json.loads((shelf_folder / "small.json").read_text())
    bad = "<img src=x onerror=window.hit=1></script><script>window.hit=1</script>"
    data["metadata"]["prompt"] = data["metadata"]["gearscope"]["model"] = bad
    data["metadata"]["prompt_tokens"] = [bad, "\u202e", "{@html x}"]
    data["metadata"]["gearscope"]["nodes"]["labels"] = [bad] * len(graph.nodes)
    data["qParams"]["supernodes"][0][0] = bad
    (shelf_folder / "small.json").write_text(json.dumps(data))
    (shelf_folder / f"{'x' * 60}.json").write_text(bad)
    page = opened("small.json")
    node(page, graph.nodes.ids[0]).click()
    node(page, graph.nodes.ids[0]).hover()
    for mode in ("table", "text", "graph"):
        page.get_by_role("button", name=mode, exact=True).click()
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(opened, shelf_folder, scheme):
    write_graph(shelf_folder / "second.json", small_graph(7))
    page = opened(color_scheme=scheme, reduced_motion="reduce")
    assert findings(page) == []
    page.locator("li.panel", has_text="small.json").locator("a").click()
    page.wait_for_selector("g.node")
    node(page, small_graph().nodes.ids[0]).click()
    page.wait_for_selector("aside .title")
    assert findings(page) == []
    for mode in ("table", "text"):
        page.get_by_role("button", name=mode, exact=True).click()
        assert findings(page) == []
    page.get_by_role("tab", name="Intervene").click()
    assert findings(page) == []
    page.get_by_role("button", name="graph", exact=True).click()
    assert page.locator("g.node").first.evaluate("e => getComputedStyle(e).transitionDuration") == "0s"


def findings(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", tags)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


def test_a_prompt_is_traced_its_effects_read_and_a_feature_changed(opened):
    page = opened()
    page.get_by_role("textbox", name="Prompt").fill("calc : 36 + zebra =")
    page.get_by_role("button", name="Trace").click()
    expect(page.locator(".trace .problem")).to_contain_text("zebra", timeout=60_000)
    page.get_by_role("textbox", name="Prompt").fill("calc : 36 + 59 =")
    page.get_by_role("button", name="Trace").click()
    page.wait_for_selector("g.node", timeout=60_000)
    expect(page.locator("span.answer")).to_contain_text("95")
    page.keyboard.press("/")
    page.keyboard.type("3/388@6")
    page.keyboard.press("Enter")
    expect(page.locator(".effects")).to_contain_text("raises 122")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("i")
    page.get_by_role("button", name="Run").click()
    results = page.get_by_role("region", name="Result")
    expect(results).to_contain_text("3/388@6*0", timeout=60_000)
    header = results.locator("thead").first
    for word in ("predicted", "measured", "control"):
        expect(header).to_contain_text(word)
    assert results.locator("tbody tr").first.locator("td").first.inner_text().strip() == "95"
    # the neuron writes against 105: without it 105 gains, with more of it 105 loses. 95 itself loses in both, because
    # norms are live and every change of one feature rescales the others
    assert measured(results, "105") > 1
    assert measured(results, "95") < 0
    page.get_by_label("Action").select_option("set")
    page.get_by_label("Amount").fill("20")
    page.get_by_role("button", name="Run").click()
    expect(results).to_contain_text("3/388@6=20", timeout=60_000)
    assert measured(results, "105") < -1


def measured(results: Locator, token: str) -> float:
    row = results.locator("tbody tr").filter(has=results.page.get_by_role("cell", name=token, exact=True)).first
    return float(row.locator("td").nth(4).inner_text().replace("\u2212", "-"))


def test_without_the_token_nothing_opens(browser: Browser, shelf_folder: Path):
    with served(str(shelf_folder)) as (_, url):
        page = browser.new_page()
        page.goto(url.split("?")[0])
        assert "carries the token" in page.content()
        assert page.locator("li.panel").count() == 0
        page.close()

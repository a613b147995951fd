"""``mner demo``: which posts it offers as examples."""

from mner.cli.demo import EXAMPLES, example_posts, parser


def test_examples_are_the_first_posts_of_a_file(tmp_path):
    rows = [f"{number},post {number},{number}.jpg\n" for number in range(EXAMPLES + 1)]
    (tmp_path / "posts.csv").write_text("id,tweet,image\n" + "".join(rows), encoding="utf-8")
    given = ["--examples", str(tmp_path / "posts.csv"), "--columns", "text=tweet", "--images", str(tmp_path)]
    posts = example_posts(parser().parse_args(["--ckpt_path", "best.ckpt", *given]), tmp_path)
    assert [post.text for post in posts] == [f"post {number}" for number in range(EXAMPLES)]
    assert posts[0].image == tmp_path / "0.jpg"


def test_without_a_file_they_are_generated_with_images(tmp_path):
    posts = example_posts(parser().parse_args(["--ckpt_path", "best.ckpt"]), tmp_path)
    assert 0 < len(posts) <= EXAMPLES
    assert all(post.image is not None and post.image.is_file() for post in posts)

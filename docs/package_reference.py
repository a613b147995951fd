"""A Sphinx directive that documents a whole package: what it exports, under the short names, then its modules."""

from importlib import import_module
from pkgutil import walk_packages

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class PackageReference(SphinxDirective):
    """``automodule`` for a package and for each of its modules, so that none can be forgotten."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Name the modules; what the package exports is not shown a second time."""
        name = self.arguments[0]
        package = import_module(name)
        exported = getattr(package, "__all__", ())
        text = f".. automodule:: {name}\n\n"
        for module in walk_packages(package.__path__, f"{name}."):
            text += f".. automodule:: {module.name}\n   :exclude-members: {', '.join(exported)}\n"
            same_name = module.name.rpartition(".")[2] in exported  # the function that the package exports is indexed
            text += "   :no-index:\n\n" if same_name else "\n"
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("package", PackageReference)
    return {"parallel_read_safe": True}

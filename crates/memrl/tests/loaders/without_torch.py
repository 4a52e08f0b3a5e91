"""Lets libraries be imported whose dependencies are gigabytes that no file format needs.

torch, transformers and their like are replaced by modules whose every attribute is an empty class:
the code of the libraries that reads files is the real one, and anything that computes with what was
replaced fails.
"""

import abc
import importlib.machinery
import importlib.util
import sys
import types

HEAVY = [
    "accelerate", "colorama", "gym", "gymnasium", "matplotlib", "minari", "scipy", "seaborn", "sklearn",
    "structlog", "torch", "transformers",
]


class Meta(abc.ABCMeta):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return empty(name)


def empty(name):
    members = {
        "__class_getitem__": classmethod(lambda cls, item: cls),
        "__call__": lambda self, *args, **kwargs: None,
        "__init__": lambda self, *args, **kwargs: None,
    }
    return Meta(name, (), members)


class Module(types.ModuleType):
    # Compared as texts with lowest versions, and read as versions.
    __version__ = VERSION = "9999.0"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return empty(name)


class Finder:
    def __init__(self):
        self.names = {n for n in HEAVY if importlib.util.find_spec(n) is None}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return Module(spec.name)

    def exec_module(self, module):
        pass


def install():
    sys.meta_path.append(Finder())

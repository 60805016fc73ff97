"""One composed configuration: plain values, and where each of them comes from."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lrbench.config.composed import Composed, settle_length
from lrbench.config.defaults import option_with
from lrbench.config.home import (
    ADAPTER,
    CUSTOM,
    GROUPS,
    check_user_folder,
    import_path,
    options,
    packaged_folder,
    primary_file,
    shown,
)
from lrbench.config.outside import lookups
from lrbench.config.overrides import Override
from lrbench.config.own_files import check_files
from lrbench.config.remedies import option_meant, setting_meant
from lrbench.errors import ConfigError, Problem, origin_of

TARGETS = ("dataset", "model", "optimizer", "schedule")
"""Groups whose component may be the user's own, by import path."""


UNUSED_PARTS = (
    "launcher",
    "sweeper",
    "help",
    "hydra_help",
    "output",
    "hydra_logging",
    "job_logging",
)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """YAML as everyone reads it: YAML 1.1, and Hydra and YAML 1.2 with their own numbers."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """A text, quoted where it looks like a number to anyone."""
        try:
            float(data)
        except ValueError:
            return super().represent_str(data)
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="'")


_Dumper.add_representer(str, _Dumper.represent_str)


class _UserFolder(SearchPathPlugin):
    """Puts the user's configuration folder before the packaged one.

    Hydra's own ``hydra.searchpath`` only appends: a user's file of the same name would be ignored
    without a word.
    """

    folder: Path | None = None

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if self.folder is not None:
            search_path.prepend("lrbench-user", f"file://{self.folder.resolve()}")


def compose(overrides: Sequence[Override], user_folder: Path | None = None) -> Composed:
    """The configuration that these overrides make.

    Groups are composed by Hydra; single settings are then put in by their dotted keys, which must
    exist. Where a group's ``_target_`` is given, its other keys are the user's own and may be new.

    Raises
    ------
    ConfigError
        An unknown group, option or key, all at once, each with the nearest valid name; or a file
        that is no valid YAML.
    """
    if user_folder is not None:
        check_user_folder(user_folder)
        check_files(user_folder)
    overrides = [_spelled_out(override) for override in overrides]
    if problems := [p for o in overrides for p in lookups(o.value, {o.key: o.origin}, o.key)]:
        raise ConfigError(problems)
    choices = {o.key: o for o in overrides if o.key in GROUPS}
    settings = [o for o in overrides if o.key not in GROUPS]
    own = {o.key.partition(".")[0] for o in settings if o.key.endswith("._target_")} & set(TARGETS)
    free = own | {o.key for o in choices.values() if (o.key, o.value) == ADAPTER}
    problems = [*_wrong_choices(choices, own, user_folder)]
    if problems:
        raise ConfigError(problems)

    chosen = tuple((group, str(choice.value)) for group, choice in choices.items())
    # Arms of a sweep often choose the same; Hydra takes as long for each as all else together.
    config, files = copy.deepcopy(
        _with_hydra(chosen, frozenset(own), user_folder, _files_now(user_folder))
    )
    primary = shown(primary_file(user_folder))
    origins = dict.fromkeys(map(str, config), primary)
    origins |= {group: file for group, file in files.items() if file}
    origins |= _set_by_user(user_folder)
    problems = [*lookups(OmegaConf.to_container(config), origins)]
    if problems:
        raise ConfigError(problems)

    replaced: dict[str, Any] = {}
    for override in settings:
        if problem := _unknown(override, config, free):
            problems.append(problem)
            continue
        replaced[override.key] = _before(config, override.key)
        try:
            OmegaConf.update(config, override.key, override.value, force_add=True)
        except OmegaConfBaseException as error:
            problems.append(_unresolved(error, override.key, override.origin))
            continue
        origins[override.key] = override.origin
        if override.key.endswith("._target_"):
            origins[override.key.partition(".")[0]] = override.origin
    if problems:
        raise ConfigError(problems)
    composed = Composed(
        _plain(config, origins),
        origins,
        typed=frozenset(o.key for o in settings),
        is_own=primary_file(user_folder).parent != packaged_folder(),
        replaced=replaced,
    )
    settle_length(composed)
    return composed


def _spelled_out(override: Override) -> Override:
    """``schedule=python:mypkg.mod:name`` as ``schedule._target_=mypkg.mod:name``."""
    path = import_path(str(override.value)) if override.key in TARGETS else None
    if path is None or (override.key != "schedule" and str(override.value).startswith("torch:")):
        return override
    return replace(override, key=f"{override.key}._target_", value=path)


def to_yaml(values: Mapping[str, Any]) -> str:
    """A configuration as YAML; texts that another reader would take for numbers are quoted."""
    return str(yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def _wrong_choices(
    choices: Mapping[str, Override], own: set[str], user_folder: Path | None
) -> Iterator[Problem]:
    for group, choice in choices.items():
        there = options(group, user_folder)
        if group in own:
            relation = f"cannot be chosen together with {group}._target_"
            yield Problem(relation, key=group, got=choice.value, origin=choice.origin)
        elif str(choice.value) not in there:
            relation = f"must be one of: {', '.join(there)}"
            remedy = option_meant(group, str(choice.value), there, is_own=group in TARGETS)
            yield Problem(relation, group, choice.value, choice.origin, remedy)


def _files_now(user_folder: Path | None) -> str:
    """Digest of every file that a configuration can come from."""
    content = sha256()
    for folder in (packaged_folder(), *([] if user_folder is None else [user_folder])):
        # Not whatever else lies in a user's folder, which may hold a project.
        inner = (path for group in GROUPS for path in (folder / group).rglob("*.yaml"))
        for path in sorted([*folder.glob("*.yaml"), *inner]):
            text = b""
            with suppress(OSError):  # for Hydra to tell, if it has a use for it
                text = path.read_bytes()
            content.update(f"{path}\0{len(text)}\0".encode(errors="surrogateescape") + text)
    return content.hexdigest()


@lru_cache(maxsize=32)
def _with_hydra(
    choices: tuple[tuple[str, str], ...],
    own: frozenset[str],
    user_folder: Path | None,
    files: str,  # by which it is known that none has changed
) -> tuple[DictConfig, dict[str, str]]:
    """The composed groups, and the file each option comes from."""
    _UserFolder.folder = user_folder
    # Hydra would tell the user's terminal about its own plugins otherwise.
    logging.getLogger("hydra").setLevel(logging.ERROR)
    Plugins.instance().register(_UserFolder)
    GlobalHydra.instance().clear()
    chosen = [f"{group}='{option}'" for group, option in choices]
    chosen += [f"{group}={CUSTOM}" for group in own]
    # Hydra's parts for running jobs are not used; a quarter of the time goes into composing them.
    chosen += [f"~hydra/{part}" for part in UNUSED_PARTS]
    try:
        with (
            initialize_config_dir(str(packaged_folder()), version_base="1.3"),
            warnings.catch_warnings(),
        ):
            # Without _self_ Hydra lets the options win over the file that chooses them.
            warnings.filterwarnings("error", ".*missing `_self_`", UserWarning)
            config = hydra_compose("config", overrides=chosen, return_hydra_config=True)
    except (
        HydraException,
        OmegaConfBaseException,
        YAMLError,
        OSError,
        ValueError,
        UserWarning,
        RecursionError,
    ) as error:
        raise _broken_yaml(error, user_folder) from None
    options_chosen = dict(config.hydra.runtime.choices)
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    for group in GROUPS:
        if not isinstance(config.get(group), DictConfig):
            chosen_file = _file_of(group, options_chosen, user_folder)
            if chosen_file:
                raise ConfigError(f"must be a mapping of the settings of {group}", key=chosen_file)
            raise _no_choice(f"no {group}", user_folder)
        if "name" not in config[group] and "_target_" not in config[group]:
            # A file that only changes values is called after what it stands in for.
            config[group]["name"] = options_chosen[group]
    return config, {group: _file_of(group, options_chosen, user_folder) or "" for group in GROUPS}


def _broken_yaml(error: Exception, user_folder: Path | None) -> ConfigError:
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    if "No match in the defaults list" in str(root):
        return _no_choice("a file without them", user_folder)
    if isinstance(root, RecursionError):
        root = ValueError("nested too deeply")
    # The places in a file stand in several lines; Hydra's own messages go on about its insides.
    text = str(root) if isinstance(root, YAMLError) else str(root).partition("\n")[0]
    where = str(user_folder) if user_folder else "conf"
    return ConfigError(f"must hold valid Hydra YAML ({' '.join(text.split())})", key=where)


def _no_choice(got: str, user_folder: Path | None) -> ConfigError:
    relation = f"must choose an option for each of {', '.join(GROUPS)}"
    remedy = f"the whole defaults list of {packaged_folder() / 'config.yaml'}"
    return ConfigError(relation, key=shown(primary_file(user_folder)), got=got, remedy=remedy)


def _file_of(group: str, chosen: Mapping[str, Any], user_folder: Path | None) -> str | None:
    path = options(group, user_folder).get(str(chosen.get(group)))
    return shown(path) if path else None


def _set_by_user(user_folder: Path | None) -> dict[str, str]:
    """The settings of components that the user's own ``config.yaml`` sets over their options."""
    primary = primary_file(user_folder)
    if primary.parent == packaged_folder():
        return {}
    found = yaml.safe_load(primary.read_bytes())
    inner = {group: found[group] for group in GROUPS if isinstance(found.get(group), dict)}
    return {f"{group}.{key}": shown(primary) for group, keys in inner.items() for key in keys}


def _unknown(override: Override, config: DictConfig, own: set[str]) -> Problem | None:
    *above, last = override.key.split(".")
    node: Any = config
    for part in above:
        node = node.get(part) if isinstance(node, DictConfig) and part in node else None
    group = override.key.partition(".")[0]
    if group in GROUPS and override.key == f"{group}.name":
        relation = f"is chosen by {group}=…, with the settings that belong to it"
        remedy = f"{group}={override.value}"
        return Problem(relation, override.key, override.value, override.origin, remedy)
    if isinstance(node, DictConfig) and (last in node or group in own):
        inner = OmegaConf.to_container(node).get(last)  # type: ignore[union-attr]
        if not isinstance(inner, dict) or group in own:
            return None
        relation = "must be set one setting at a time"
        remedy = f"{override.key}.{next(iter(inner), '')}=…"
        return Problem(relation, override.key, override.value, override.origin, remedy)
    if last == "_target_":
        relation = f"can only be given for {', '.join(TARGETS)}"
        return Problem(relation, key=override.key, origin=override.origin)
    known = [*_leaves(_plain(config)), *GROUPS]
    lr = OmegaConf.select(config, "optimizer.lr")
    remedy = setting_meant(override.key, override.value, known, lr)
    relation = "is not a setting"
    if group in GROUPS:
        there = [key for key in config[group] if key not in ("name", "_target_")]
        relation += f" of {group}={config[group].get('name')}"
        relation += f" (there are: {', '.join(there)})" if there else ", which has none"
        inside = override.key.partition(".")[2]
        other = option_with(group, inside)
        if other and ("." in inside or not remedy.startswith(f"{group}.")):
            remedy = f"{group}={other} {override.text}"
    return Problem(relation, override.key, override.value, override.origin, remedy)


def _before(config: DictConfig, key: str) -> Any:
    """What the files have for ``key``; None where that refers to something else."""
    value = OmegaConf.select(config, key, throw_on_resolution_failure=False)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _plain(config: DictConfig, origins: dict[str, str] | None = None) -> dict[str, Any]:
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = str(getattr(error, "full_key", None) or "")
        raise ConfigError([_unresolved(error, key, origin_of(key, origins or {}))]) from None
    assert isinstance(plain, dict)
    return {str(key): _text_keys(value) for key, value in plain.items()}


def _unresolved(error: Exception, key: str, origin: str | None) -> Problem:
    relation = f"must resolve ({str(error).splitlines()[0]})"
    return Problem(relation, key or None, origin=origin, remedy=f"{key}=…" if key else None)


def _text_keys(values: Any) -> Any:
    """YAML may have numbers for keys; settings have names."""
    if isinstance(values, dict):
        return {str(key): _text_keys(value) for key, value in values.items()}
    return values


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.")
        else:
            yield name

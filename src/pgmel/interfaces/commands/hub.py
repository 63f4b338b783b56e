"""``pgmel hub``: give bundles to others, and take theirs, in the form of the Hugging Face hub."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from pgmel.errors import BundleError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Publish bundles on the Hugging Face hub, and fetch them.")

BundleArgument = Annotated[Path, typer.Argument(help="The bundle.", show_default=False)]
RepoArgument = Annotated[str, typer.Argument(help="Repository on the hub, OWNER/NAME.", show_default=False)]
LicenseOption = Annotated[
    str | None, typer.Option("--license", help="Licence as the hub names it: apache-2.0, cc-by-4.0, ...", show_default=False)
]
LanguageOption = Annotated[
    list[str] | None, typer.Option("--language", help="Code of a language of names and texts; may be repeated.", show_default=False)
]
TitleOption = Annotated[str | None, typer.Option("--title", help="Title of the model card; else the data's name.", show_default=False)]
IncludeOption = Annotated[
    bool, typer.Option("--include-encoders", help="Copy encoders that are folders here; else others must supply them.")
]
RevisionOption = Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit.", show_default=False)]


@app.command(epilog="Example: pgmel hub card runs/mine/bundle --license cc-by-4.0 --language en")
def card(bundle: BundleArgument, license_name: LicenseOption = None, language: LanguageOption = None, title: TitleOption = None) -> None:
    """Print the model card that would be published."""
    from pgmel.linking import ModelCardOptions, clean_card, read_card, render_model_card

    cleaned = clean_card(read_card(bundle))
    name = title or (cleaned["data"].get("name") if isinstance(cleaned["data"], dict) else None) or bundle.name
    typer.echo(render_model_card(cleaned, ModelCardOptions(name, license_name, language or ())), nl=False)


@app.command(epilog="Example: pgmel hub export runs/mine/bundle published --license cc-by-4.0 --language en")
def export(
    bundle: BundleArgument,
    folder: Annotated[Path, typer.Argument(help="Folder to write.", show_default=False)],
    license_name: LicenseOption = None,
    language: LanguageOption = None,
    title: TitleOption = None,
    include_encoders: IncludeOption = False,
) -> None:
    """Write what would be published into a folder: a bundle with a model card, without pictures and paths of this machine."""
    from pgmel.linking import PublishOptions, save_pretrained

    save_pretrained(bundle, folder, PublishOptions(license_name, language or (), title, None, include_encoders))
    typer.echo(f"written: {folder}; look at {folder / 'README.md'} before you give it away")


@app.command(epilog="Example: pgmel hub push runs/mine/bundle me/products --license cc-by-4.0 --language en --private")
def push(
    bundle: BundleArgument,
    repo: RepoArgument,
    license_name: LicenseOption = None,
    language: LanguageOption = None,
    title: TitleOption = None,
    include_encoders: IncludeOption = False,
    private: Annotated[bool, typer.Option("--private", help="A new repository is private.")] = False,
    revision: RevisionOption = None,
) -> None:
    """Publish a bundle on the hub, with its model card. `hf auth login` stores the token that this needs; HF_TOKEN may name one."""
    from pgmel.linking import PublishOptions, push_to_hub

    options = PublishOptions(license_name, language or (), title, repo, include_encoders)
    typer.echo(f"published: {push_to_hub(bundle, repo, options, private=private or None, revision=revision)}")


@app.command(epilog="Example: pgmel hub pull me/products bundles/products")
def pull(
    repo: RepoArgument,
    folder: Annotated[Path, typer.Argument(help="Folder of the bundle to write.", show_default=False)],
    revision: RevisionOption = None,
) -> None:
    """Fetch a bundle from the hub, check every file of it, and write it into a folder."""
    from pgmel.files import atomic_folder
    from pgmel.linking import find_pretrained, read_card

    if folder.exists():
        raise BundleError(f"{folder} exists already; name another folder")
    found = find_pretrained(repo, revision=revision, verify=True)
    names = ["card.json", *read_card(found)["files"]]
    with atomic_folder(folder) as part:
        for name in [*names, *(["README.md"] if (found / "README.md").is_file() else [])]:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found / name, part / name)
    typer.echo(f"bundle: {folder}")

"""Asset collections and their files."""

from __future__ import annotations

from typing import Any

from interop.peer.library import assets, data, variable
from interop.peer.scenario import scenario


@scenario(
    "AssetCollection.__init__ AssetCollection.add_asset AssetCollection.save",
    "AssetCollection.id AssetCollectionFile.__init__ AssetCollectionFile.file_name",
)
def save_collection(files: list[dict[str, Any]], tags: dict[str, Any] | None = None, environment: str = "") -> object:
    """A new collection of contents that come as text, as the path of a file, or as a checksum.

    With an environment it is for the group of that.
    """
    collection = data.AssetCollection()
    if tags:
        collection.set_tags(tags)
    for file in files:
        described = data.AssetCollectionFile(
            file["name"], file.get("folder", ""), file.get("md5"), tags=file.get("tags")
        )
        content = file["content"].encode("latin-1") if "content" in file else None
        collection.add_asset(described, file_path=file.get("path"), data=content, upload_callback=None)
    with variable("COMPS_ENVIRONMENT", environment):
        collection.save(upload_files_callback=None)
    return collection.id


@scenario("AssetCollection.save AssetCollection.add_asset")
def save_large_collection(count: int) -> object:
    """A collection of more files than one request carries; and what the callback was told."""
    told: list[int] = []

    def tell(sent: int) -> None:
        told.append(sent)

    collection = data.AssetCollection()
    for number in range(count):
        collection.add_asset(
            data.AssetCollectionFile(f"{number}.txt", f"folder {number % 7}"), data=f"{number}".encode()
        )
    collection.save(upload_files_callback=tell)
    return {"id": collection.id, "told": told}


@scenario("AssetCollection.refresh AssetCollection.assets AssetCollection.tags AssetCollection.date_created")
def refresh_collection(id: str) -> object:
    """A collection before and after it was refreshed with its children."""
    collection = data.AssetCollection.get(id)
    before = [collection.assets, collection.tags]
    collection.refresh(data.QueryCriteria().select_children(["assets", "tags"]))
    return {"before": before, "after": [collection.assets, collection.tags]}


@scenario("AssetCollection.retrieve_as_zip AssetCollection.static_retrieve_as_zip")
def zips_of_collection(id: str) -> object:
    """The zip of a collection, asked for in both ways."""
    return [data.AssetCollection.get(id).retrieve_as_zip(), data.AssetCollection.static_retrieve_as_zip(id)]


@scenario(
    "AssetFile.retrieve AssetCollectionFile.retrieve AssetManager.retrieve_asset_files",
    "AssetCollectionFile.uri AssetFile.uri",
)
def assets_of(id: str) -> object:
    """Every asset's path and content, fetched one by one, and all at once."""
    collection = data.AssetCollection.get(id, data.QueryCriteria().select_children(["assets"]))
    alone = {file.file_name: file.retrieve() for file in collection.assets}
    together = assets.retrieve_asset_files(collection.assets)
    return {"alone": alone, "together": together, "zip": assets.retrieve_asset_files(collection.assets, as_zip=True)}


@scenario("AssetCollection.add_asset")
def change_saved_collection(id: str) -> object:
    """A saved collection takes no further asset."""
    collection = data.AssetCollection.get(id)
    collection.add_asset(data.AssetCollectionFile("late.txt"), data=b"late")
    return None

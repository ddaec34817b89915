"""Files that other programs keep beside photographs: thumbnails, previews, waste bins, notes.

Each of them is a copy, was thrown away, or was left by the repair of a file system. The patterns have the syntax of
`shared/photos/path_patterns.py`. Names that begin with a dot need no pattern, since they are passed over anyway. A name
that a person may give to a folder (`Originals`, `thumbs`, `cache`) is only listed together with other parts of the path
that make it unmistakable. docs/photographs.md has the same list for people.
"""

from collections.abc import Mapping

_UUID = "-".join("?" * letters for letters in (8, 4, 4, 4, 12))

KEPT_BY: Mapping[str, tuple[str, ...]] = {
    "Synology": (
        "@eaDir",  # thumbnails of every photograph
        "eaDir_tmp",
        "#recycle",
        "#snapshot",
        "@tmp",
        "@sharebin",
        "*@SynoEAStream",
        "*@SynoResource",
        "SYNOFILE_THUMB_*",
        "SYNOPHOTO_*",
        "SYNOVIDEO_*",
        "SYNOINDEX_MEDIA_INFO",
    ),
    "QNAP": ("@__thumb", "@Recycle", "@Recently-Snapshot"),
    "NetApp": ("~snapshot",),
    "Windows": (
        "$RECYCLE.BIN/",
        "RECYCLER/S-1-5-*/",
        "System Volume Information/",
        "Thumbs.db",
        "Thumbs.db:encryptable",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
    ),
    "Linux": ("lost+found/",),
    "macOS": ("__MACOSX/", "Network Trash Folder/", "TheVolumeSettingsFolder/", "Icon\r"),
    "Android": ("Android/data/*/cache/",),
    "Apple Photos": (
        "*.photoslibrary/resources/",
        "*.photoslibrary/database/",
        "*.photoslibrary/private/",
        "*.photoslibrary/internal/",
        "*.photoslibrary/scopes/",
        "*.photoslibrary/external/",
        "*.photoslibrary/Thumbnails/",
        "*.photoslibrary/Previews/",
    ),
    "iPhoto and Aperture": (
        "*.photolibrary/Thumbnails/",
        "*.photolibrary/Previews/",
        "*.photolibrary/Database/",
        "*.aplibrary/Thumbnails/",
        "*.aplibrary/Previews/",
        "*.aplibrary/Database/",
        "iPhoto Library/Thumbnails/",
        "iPhoto Library/Previews/",
        "iPhoto Library/Data/",
        "Data.noindex/",
        "iPod Photo Cache/",
    ),
    "Lightroom": ("*.lrdata/",),
    "Capture One": ("CaptureOne/Cache/", "*.cocatalog/Cache/"),
    "darktable": ("mipmaps-*.d/",),
    "Picasa": ("Picasa.ini", "*.Picasa3Temp*"),
    "ZoomBrowser": ("ZbThumbnail.info",),
    "Immich": (f"thumbs/{_UUID}/", f"encoded-video/{_UUID}/"),
    "PhotoPrism": ("storage/cache/thumbnails/",),
    "Nextcloud and ownCloud": ("appdata_*/preview/", "files_trashbin/", "files_versions/"),
    "Syncthing": ("~syncthing~*",),
}
"""The patterns of each program's files."""

OWNER_OF: Mapping[str, str] = {pattern: owner for owner, patterns in KEPT_BY.items() for pattern in patterns}

"""What can go wrong, each in a sentence for the person at the screen: what happened, what was kept, what to do.

`PagewiseError` is the root of every error that Pagewise raises on purpose. A door shows `str(error)`, or looks
up its own translation by `error.key` and `error.params`. Foreign exceptions become one of these where they enter.
"""

from typing import ClassVar

from ingest.plural import filled


class PagewiseError(Exception):
    """Base. `text` and `remedy` are templates (of `filled`) over the keyword arguments that it is raised with."""

    text: ClassVar[str] = "Something went wrong."
    remedy: ClassVar[str] = ""

    def __init__(self, **params: object) -> None:
        self.params = params
        super().__init__(" ".join(filled(part, **params) for part in (self.text, self.remedy) if part))

    @property
    def key(self) -> str:
        return type(self).__name__


class ReadError(PagewiseError):
    """One document could not be read; nothing of it is kept, nothing else is touched."""


class NotAPdf(ReadError):
    text = "This is not a PDF: its content does not begin as one."
    remedy = "Save or export it as PDF and add that file."


class EmptyFile(ReadError):
    text = "The file is empty."
    remedy = "Copy or download it again."


class Broken(ReadError):
    text = "The PDF is damaged and neither reader could open it ({detail})."
    remedy = "Open it in a PDF viewer, save a copy, and add the copy."


class Encrypted(ReadError):
    text = "The PDF is protected with a password."
    remedy = "Enter it in the app, or give it with `pagewise ingest --password-file FILE`."


class WrongPassword(ReadError):
    text = "The PDF is protected with a password, and the one that was given does not open it."
    remedy = "Check it, capital letters too, and give it again."


class NoPages(ReadError):
    text = "The PDF has no pages."
    remedy = "Export it again from where it was made."


class NoText(ReadError):
    text = "None of its pages ({pages}) gave any text; they are pictures, garbled or blank."
    remedy = "Install text recognition (pip install 'pagewise[ocr]'), with PAGEWISE_OCR=auto, and add it again."


class BlankPages(ReadError):
    text = "There is nothing on its pages ({pages}): no text and no picture."
    remedy = "Check in a PDF viewer that it is the right file."


class EmptiedFolder(PagewiseError):
    text = "{folder} is empty, but {count:n document} came from it. Nothing was removed."
    remedy = "Look whether its drive is there; documents that are to go are taken out with `pagewise remove`."


class NothingRecognised(ReadError):
    text = "None of its pages ({pages}) gave any text, and text recognition found no words in their pictures."
    remedy = "Check in a PDF viewer that there are words on the pages, upright and sharp."


class TooLarge(ReadError):
    text = "The file has {megabytes:.0f} MB; the limit is {limit} MB."
    remedy = "Split it, or raise PAGEWISE_MAX_FILE_MB."


class TooManyPages(ReadError):
    text = "The PDF has {pages:n page}; the limit is {limit}."
    remedy = "Split it, or raise PAGEWISE_MAX_PAGES."


class TooSlow(ReadError):
    text = "Reading took longer than {seconds:n second} and was stopped."
    remedy = "The file may be damaged; save a copy of it in a PDF viewer, or raise {setting}."


class TooMuchMemory(ReadError):
    text = "Reading needed more than {megabytes} MB of memory and was stopped."
    remedy = "The file may be damaged; save a copy of it in a PDF viewer, or raise PAGEWISE_WORKER_MB."


class TooMuchText(ReadError):
    text = "The pages hold more than {limit} million characters of text, more than any book."
    remedy = "Split it, or raise PAGEWISE_MAX_TEXT_MB."


class ReaderCrashed(ReadError):
    text = "The PDF readers crashed on this file ({detail}); Pagewise itself is unharmed."
    remedy = "Open it in a PDF viewer, save a copy, and add the copy."


class NotDrawn(ReadError):
    text = "Page {page} cannot be drawn ({detail})."
    remedy = "Open the PDF in a viewer to see it."


class FileUnreadable(ReadError):
    text = "The file could not be read ({detail})."
    remedy = "Check that it exists and that you may read it."


class OutsideLinkError(ReadError):
    text = "{link} is left out: a link leads from there out of the folder."
    remedy = "Name the file itself, or take in all such links with `pagewise ingest --follow-links`."


class LibraryError(PagewiseError):
    """The library as a whole cannot do what was asked; what it holds is untouched."""


class LibraryBusy(LibraryError):
    text = "The library in {folder} is open in another Pagewise (process {owner}), which cannot be asked."
    remedy = (
        "Add the files in the running app, or stop it first. To use both at once, start `chroma run` and set "
        "PAGEWISE_CHROMA_URL for both."
    )


class WriterBusy(LibraryBusy):
    text = "Another Pagewise (process {owner}) is writing to the library in {folder} and did not finish in time."
    remedy = "Try again when it is done."


class ReadOnlyLibrary(LibraryError):
    text = "The library in {folder} can be searched but not changed: nothing can be written there."
    remedy = "Make the folder writable, or choose another with PAGEWISE_DATA."


class WrongEmbedder(LibraryError):
    text = "This library was filled with the embedder {stored!r}; {wanted!r} would find wrong passages in it."
    remedy = "Set PAGEWISE_EMBEDDER={stored}, or choose another folder with PAGEWISE_DATA and add the documents there."


class UnknownDocument(LibraryError):
    text = "There is no document {name!r} in the library."
    remedy = "`pagewise list` shows what there is."


class NoSuchName(UnknownDocument):
    """There are names like it."""

    remedy = "The nearest there is: {near}. `pagewise list` shows all."


class ShortId(UnknownDocument):
    """It is the beginning of an id, but too little of it."""

    remedy = "The beginning of an id is enough from its first {least} characters on; `pagewise list` shows them."


class AmbiguousDocument(LibraryError):
    text = "There are {count:n document} named {name!r}."
    remedy = "Use an id instead: {ids}."


class UnknownPage(LibraryError):
    text = "{name!r} has no page {page}."
    remedy = "It has {pages:n page}."


class StorageFailed(LibraryError):
    text = "The library in {folder} could not be read or written ({detail}). Nothing that was stored is lost."
    remedy = "Check the disk's free space and the folder's permissions, then try again."


class UploadBusy(LibraryError):
    text = "These files are being added in another window."
    remedy = "Wait until that is done, then look at the library again."


class CatalogueError(LibraryError):
    """The catalogue does not list what is stored. Nothing is deleted while that is so."""

    remedy = (
        "Run `pagewise repair`, or press *Repair* in the app: it keeps the old file aside and takes the PDFs in again."
    )


class CatalogueDamagedError(CatalogueError):
    text = "The catalogue {file} is damaged ({detail}). The stored PDFs beside it are kept and untouched."


class CatalogueLostError(CatalogueError):
    text = "The catalogue {file} is missing or empty; the store beside it holds {count:n PDF}. Nothing was deleted."


class ChromaUnreachable(LibraryError):
    text = "No Chroma server answers at {url} ({detail})."
    remedy = "Start one with `chroma run --host 127.0.0.1`, or unset PAGEWISE_CHROMA_URL."


class EmbedderError(PagewiseError):
    """The embedder cannot be loaded or does not answer."""

    text = "The embedder {name!r} cannot be used ({detail})."
    remedy = "Check the name, or unset PAGEWISE_EMBEDDER to use the one that comes with Pagewise."


class DamagedWeights(EmbedderError):
    text = "The installed embedder is not the published one ({file}: {found})."
    remedy = "Install again: `make clean setup`."


class BlockedAddressError(PagewiseError):
    """A configured or typed address leads to a link-local or metadata address; nothing was sent there."""

    text = "{host} is {address}, a link-local or cloud metadata address, which is not dialled."
    remedy = "Correct the address, or set PAGEWISE_ALLOW_LINK_LOCAL=on if the server there is yours."


class ModelFolderError(PagewiseError):
    """A folder of a model would make a loader read something else than safetensors. Nothing of it was loaded."""

    text = "The model in {folder} is not loaded: {detail}."
    remedy = "Take a copy of the model whose weights are all safetensors."


class Notice(PagewiseError):
    """Something that the person should know. It stopped nothing, and is never raised."""


class UnlistedFilesNotice(Notice):
    text = "{count:n stored PDF} in {files} cannot be found in the catalogue; all are kept, and none can be searched."
    remedy = "`pagewise repair`, or *Repair* in the app, takes them in again."


class FileResetNotice(Notice):
    text = "{file} was damaged and was begun anew. It only saves work ({purpose}); no document is lost."


class VectorsRebuiltNotice(Notice):
    text = "The vectors in {folder} were damaged. They are made anew from the catalogue; no document is lost."


class ConversationsSetAsideNotice(Notice):
    text = "The conversations in {file} are damaged ({detail}). The file is kept as {aside}; new ones begin empty."
    remedy = "No document is lost. Put a backup of the file back, if there is one."


class EntryUnreadableNotice(Notice):
    text = "Part of a conversation in {file} is damaged and cannot be shown. The rest is kept, and no document is lost."


class MadePrivateNotice(Notice):
    text = "Other users of this machine could read the library in {folder}. Its files are private now."


class OpenFolderNotice(Notice):
    text = "Other users of this machine can look into {folder}. The library's own files in it are private."
    remedy = "Make the folder private (chmod 700), or keep the library in one of its own, with PAGEWISE_DATA."

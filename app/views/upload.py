"""Adding documents: the drop zone, how it goes, and what became of each file."""

import streamlit as st

from app import composition, safe_text
from app import uploads as uploads_module
from app.background_jobs import Job
from app.session import Desk
from ingest.errors import PagewiseError
from ingest.pdf import ocr
from ingest.pipeline import Progress, Result, Upload
from ingest.repair import take_in_unlisted_files

_NAMED = 5  # files that wait, by name


def drop(desk: Desk, label: str) -> None:
    """The drop zone. What is dropped goes to work at once; the zone is then empty again, so no redraw adds it twice."""
    turn = st.session_state.setdefault("drop_turn", 0)
    files = st.file_uploader(
        label,
        type="pdf",
        accept_multiple_files=True,
        key=f"drop-{turn}",
        max_upload_size=desk.settings.max_file_mb,
        disabled=running() is not None,
    )
    if files and running() is None:
        st.session_state["drop_turn"] = turn + 1
        try:
            uploads = uploads_module.receive(files, desk.settings.data / "incoming")
        except PagewiseError as error:
            st.error(safe_text.block(desk.words.error(error)))
            return
        st.session_state["locked"] = locked()
        _begin(desk, uploads, temporary=True)
        st.rerun()


def sample(desk: Desk) -> None:
    """Add the sample document."""
    _begin(desk, [Upload(uploads_module.SAMPLE.name, uploads_module.SAMPLE)], temporary=False)


def begin_repair(desk: Desk) -> None:
    """Take the stored files that the catalogue does not list in again. They stay where they are, whatever comes."""
    library, limits = desk.library, composition.limits(desk.settings)
    job: Job[Progress | Result] = Job(lambda: take_in_unlisted_files(library, limits))
    st.session_state["intake"] = (job, [])


def _begin(desk: Desk, uploads: list[Upload], temporary: bool, password: str = "") -> None:
    library, limits = desk.library, composition.limits(desk.settings)
    job: Job[Progress | Result] = Job(lambda: uploads_module.take_in(uploads, library, limits, temporary, password))
    st.session_state["intake"] = (job, uploads)


def running() -> Job[Progress | Result] | None:
    job, _ = st.session_state.get("intake", (None, ()))
    return job if job is not None and job.running else None


def follow(desk: Desk) -> None:
    """Draw the work until it is over, then its results; redraws the page when it ends."""
    words = desk.words
    if "intake" not in st.session_state:
        return
    job, uploads = st.session_state["intake"]
    files = len(uploads)
    if not job.running:
        _results(desk, job)
        return
    with st.container(key="intake"):
        bar = st.progress(0.0, text=words("ingest.waiting"))
        st.button(words("ask.stop"), key="intake-stop", icon=":material/stop:", on_click=job.stop)
        spot = st.container()
    told, seen = 0, 0
    while True:
        new = job.wait(seen, 0.3)
        if not new and not job.running:
            break
        seen += len(new)
        now = uploads_module.state(job.events, files)
        text = words("ingest.waiting")
        if now.now is not None:
            name = safe_text.inline(now.now.name, 60)
            text = words(f"ingest.{now.now.stage}", name=name, done=now.now.done, total=now.now.total)
            if files > 1:
                text = words("ingest.files", done=len(now.results) + 1, total=files) + " · " + text
        bar.progress(now.share, text=text)
        for result in now.results[told:]:
            with spot:
                _result(desk, result)
        told = len(now.results)
        if new and job.running:
            job.wait(1 << 60, 0.1)
    st.rerun()


def _results(desk: Desk, job: Job[Progress | Result]) -> None:
    words = desk.words
    with st.container(key="results", gap="xsmall"):
        for result in (event for event in job.events if isinstance(event, Result)):
            _result(desk, result)
        if job.error is not None:
            st.error(safe_text.block(words.error(job.error)), icon=":material/error:")
        elif job.stopped:
            st.info(words("ingest.stopped"), icon=":material/stop_circle:")
        for upload in locked():
            _ask_password(desk, upload)
        with st.container(horizontal=True, gap="small"):
            st.button(words("ingest.dismiss"), key="intake-clear", type="tertiary", on_click=_forget)


def waiting(desk: Desk) -> None:
    """Name the uploads that were not added, because their app was killed or a password is missing; add or discard."""
    if running() is not None:
        return
    own = {upload.path for upload in locked()}  # those have a field for their password
    left = [upload for upload in uploads_module.waiting(desk.settings.data / "incoming") if upload.path not in own]
    if not left:
        return
    words = desk.words
    names = ", ".join(safe_text.inline(upload.name, 60) for upload in left[:_NAMED]) + (
        "…" if len(left) > _NAMED else ""
    )
    with st.container(key="waiting"):
        st.warning(words.count("waiting.about", len(left), names=names), icon=":material/pending_actions:")
        with st.container(horizontal=True, gap="small"):
            st.button(words("waiting.add"), key="waiting-add", type="primary", on_click=_add_waiting, args=(desk, left))
            st.button(words("waiting.discard"), key="waiting-discard", on_click=_discard_waiting, args=(desk, left))


def _add_waiting(desk: Desk, left: list[Upload]) -> None:
    st.session_state["locked"] = locked()
    _begin(desk, left, temporary=True)


def _discard_waiting(desk: Desk, left: list[Upload]) -> None:
    try:
        uploads_module.discard_waiting(left)
    except PagewiseError as error:
        st.toast(safe_text.block(desk.words.error(error)), icon=":material/error:")


def locked() -> list[Upload]:
    """The files that wait for their passwords, of this drop and of earlier ones."""
    earlier: list[Upload] = st.session_state.get("locked", [])
    if "intake" not in st.session_state:
        return list(earlier)
    job, uploads = st.session_state["intake"]
    return [*earlier, *uploads_module.locked(job.events, uploads)]


def _ask_password(desk: Desk, upload: Upload) -> None:
    words = desk.words
    with st.form(f"unlock-{upload.path.stem}", clear_on_submit=True, border=False):
        label = words("ingest.password", name=safe_text.inline(upload.name, 60))
        password = st.text_input(label, type="password", key=f"password-{upload.path.stem}")
        if st.form_submit_button(words("ingest.unlock")) and password:
            st.session_state["locked"] = [other for other in locked() if other.path != upload.path]
            _begin(desk, [upload], temporary=True, password=password)
            st.rerun()


def _forget() -> None:
    uploads_module.discard(locked())
    st.session_state.pop("intake", None)
    st.session_state.pop("locked", None)


def _result(desk: Desk, result: Result) -> None:
    words, name = desk.words, safe_text.inline(result.name, 80)
    if result.status == "failed":
        reason = words.error(result.error) if result.error else result.reason
        st.error(words("ingest.failed", name=name, reason=safe_text.inline(reason)), icon=":material/error:")
    elif result.status == "partial":
        pages = ranges(result.without_text)
        st.warning(
            words.count("ingest.partial", len(result.without_text), name=name, pages=pages), icon=":material/warning:"
        )
        if not ocr.available(composition.limits(desk.settings)):
            st.caption(words("ingest.ocr"))
    elif result.status == "added":
        st.success(words.count("ingest.added", result.pages, name=name), icon=":material/check:")
    else:
        st.info(words(f"ingest.{result.status}", name=name), icon=":material/info:")


def ranges(numbers: tuple[int, ...], most: int = 12) -> str:
    """1, 4–6, 9; the rest as "…" after `most` parts."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    shown = [str(a) if a == b else f"{a}–{b}" for a, b in parts[:most]]
    return ", ".join(shown) + ("…" if len(parts) > most else "")

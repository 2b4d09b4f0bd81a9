"""Chroma's process. Run as ``python -m batch_manager.vectors.worker``.

It reads requests from stdin and answers on stdout, one after another, in frames (see `frames`). The first request is
`open`; it says where the vectors are.
"""

from __future__ import annotations

import gc
import os
import signal
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from batch_manager.errors import VectorStoreError
from batch_manager.frames import pack, take_pipes
from batch_manager.vectors.client import Chroma
from batch_manager.vectors.inbox import Inbox
from batch_manager.vectors.index import Index


def serve(inbox: Inbox, sink: BinaryIO) -> None:
    """Answer requests until there are no more."""
    chroma: Chroma | None = None
    index: Index | None = None
    try:
        while (frame := inbox.next()) is not None:
            asked, blob = frame
            panic = False
            try:
                if chroma is None or index is None:
                    chroma = Chroma(asked["directory"], asked["url"])
                    index = Index(chroma, asked["build"])
                answer: dict[str, Any] = {"id": asked["id"], "result": index.answer(asked, blob)}
            except BaseException as error:  # what native code panics with is no Exception
                panic = not isinstance(error, Exception)
                if chroma is None:
                    raise
                if not isinstance(error, VectorStoreError):
                    traceback.print_exc()
                    if not panic:
                        chroma.start_over()
                trouble = chroma.trouble(error)
                words = {"code": trouble.code, "message": trouble.message, "next_step": trouble.next_step}
                answer = {"id": asked["id"], "error": words}
            sink.write(pack(answer))
            sink.flush()
            if panic:
                # Locks of the native part may be poisoned; the next request gets a new process.
                os._exit(1)
    finally:
        if chroma is not None:
            chroma.close()


def main() -> None:
    """The program."""
    # Ctrl+C in the terminal is the parent's to handle: it ends this process by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    source, sink = take_pipes()
    # Chroma reads a file `.env` of the folder it is started in, which is the user's and says other things.
    os.chdir(Path(__file__).parent)
    inbox = Inbox(source)
    signal.signal(signal.SIGTERM, lambda *_: inbox.end())
    # Importing it makes some hundred thousand objects that stay; to look through them for garbage again and again
    # on the way takes a third of the time.
    gc.disable()
    import chromadb

    gc.freeze()
    gc.enable()
    sink.write(pack({"ready": chromadb.__version__}))
    sink.flush()
    serve(inbox, sink)


if __name__ == "__main__":
    main()

"""One file a page. Not called pages/: Streamlit would run the files of such a folder beside the main script."""

"""The web server: launch, ASGI application, host guard, Streamlit options."""

"""gpt2course: the code behind the course on GPT-2. Start reading in model.py."""

__version__ = "0.1.0"

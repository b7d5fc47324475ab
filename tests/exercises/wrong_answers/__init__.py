"""Tables of wrong answers, one module for each chapter; see test_wrong_answers.py."""

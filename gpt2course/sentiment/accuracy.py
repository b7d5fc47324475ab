"""A metric file for the library evaluate: evaluate.load takes its path, and then needs no hub."""

import evaluate

DESCRIPTION = "The share of right answers."
CITATION = ""
INPUTS = """
Args:
    predictions: class numbers.
    references: the right class numbers.
Returns:
    accuracy, from 0 to 1.
"""


@evaluate.utils.file_utils.add_start_docstrings(DESCRIPTION, INPUTS)
class Accuracy(evaluate.Metric):
    def _info(self):
        from datasets import Features, Value

        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=Features(
                {"predictions": Value("int64"), "references": Value("int64")}
            ),
        )

    def _compute(self, predictions, references):
        right = sum(
            int(guess == label)
            for guess, label in zip(predictions, references, strict=True)
        )
        return {"accuracy": right / len(references)}

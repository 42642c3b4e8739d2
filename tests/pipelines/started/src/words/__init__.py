"""A package of the project that a stage depends on as a folder, and imports."""


def words(text):
    return [word for word in text.lower().split() if word.isalpha()]

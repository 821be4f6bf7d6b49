from fggp.analysis.tables.fields import Field, frame, types, visible

FIELDS: tuple[Field[int], ...] = (
    Field("number", "int64", "the number", lambda it: it, "a number", "d", place=1),
    Field("half", "float64", "half of it", lambda it: it / 2, "half at {level}", ".2f"),
    Field("third", "float64", "a third of it", lambda it: it / 3),
    Field("words", "str", "it in words", "n".__mul__, "words", str.upper),
    Field("both", "str", "both", str, "both", cell=lambda row: f"{row['number']} {row['words']}"),
)


def test_a_column_is_computed_and_shown_by_its_one_declaration() -> None:
    data = frame(FIELDS, [2, 0])
    assert dict(data.dtypes.astype(str).items()) == types(FIELDS)
    columns = visible(FIELDS, level="95 %")
    assert [it.head for it in columns] == ["half at 95 %", "words", "both", "a number"]
    assert [it.left for it in columns] == [False, True, True, False]
    assert [it.text(data.iloc[0].to_dict()) for it in columns] == ["1.00", "NN", "2 nn", "2"]
    assert columns[1].text({"words": ""}) == "-"


def test_a_table_without_rows_has_its_columns() -> None:
    data = frame(FIELDS, [])
    assert data.empty
    assert list(data) == list(types(FIELDS))


def test_a_new_column_is_one_declaration() -> None:
    new = Field("twice", "int64", "twice it", lambda it: 2 * it, "twice", "d")
    data = frame([*FIELDS, new], [2])
    assert data["twice"].tolist() == [4]
    assert visible([*FIELDS, new], level="")[-2].text(data.iloc[0].to_dict()) == "4"

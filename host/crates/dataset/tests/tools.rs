//! Files that other tools wrote, each read in all of its types. `tests/fixtures/inputs/make.py` wrote them.
#![cfg(all(feature = "excel", feature = "parquet"))]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy takes what tests share for something else"
)]

use std::path::{Path, PathBuf};

use batchgen_dataset::{Copies, Dataset, DatasetConfig, Format};

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("../../../tests/fixtures/inputs").join(name)
}

/// All records, one a line.
fn records(config: DatasetConfig) -> String {
    let dataset =
        Dataset::open_with(config, &Copies::passing()).unwrap_or_else(|error| panic!("{error}"));
    let lines = dataset.entries().map(|entry| {
        let (place, record) = entry.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(dataset.read(place).unwrap(), record);
        format!("{}: {} {}", place.line, record.id, record.fields)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn products(file: &str) -> DatasetConfig {
    DatasetConfig {
        id: "sku".into(),
        name: "title".into(),
        category: "kind".into(),
        ..DatasetConfig::new(fixture(file))
    }
}

#[test]
fn types_survive_whoever_wrote_the_file() {
    let first = records(products("pyarrow-none.parquet"));
    insta::assert_snapshot!(first);
    for file in [
        "pyarrow-gzip.parquet",
        "pyarrow-brotli.parquet",
        "pyarrow-lz4.parquet",
        "pyarrow-zstd.parquet",
        "pandas.parquet",
        "polars.parquet",
        "duckdb.parquet",
        "pyarrow.arrow",
        "pyarrow.arrows",
        "pyarrow-zstd.feather",
        "polars.arrow",
    ] {
        similar_to(&first, &records(products(file)), file);
    }
}

fn similar_to(first: &str, other: &str, file: &str) {
    for (one, other) in first.lines().zip(other.lines()) {
        assert_eq!(one, other, "{file}");
    }
    assert_eq!(first.lines().count(), other.lines().count(), "{file}");
}

#[test]
fn types_that_only_some_tools_have_are_read() {
    let config = DatasetConfig {
        default_category: Some("thing".into()),
        ..DatasetConfig::new(fixture("duckdb-types.parquet"))
    };
    insta::assert_snapshot!(records(config));
}

#[test]
fn sheets_are_read_by_the_kind_of_their_cells() {
    insta::assert_snapshot!(records(DatasetConfig {
        sheet: Some("Products".into()),
        ..products("openpyxl.xlsx")
    }));
    let by_pandas = records(products("pandas.xlsx"));
    assert!(by_pandas.starts_with("2: a-0 {"), "{by_pandas}");
}

#[test]
fn text_is_unpacked_and_decoded() {
    let plain = records(products("products.jsonl"));
    for file in ["products.jsonl.gz", "products.jsonl.zst"] {
        assert_eq!(records(products(file)), plain, "{file}");
    }
    let packed = records(products("pandas.csv.gz"));
    insta::assert_snapshot!(packed);
    for file in ["western.csv", "utf-16.tsv"] {
        assert_eq!(records(products(file)), packed, "{file}");
    }
    let told = DatasetConfig {
        encoding: Some(String::from("windows-1252").try_into().unwrap()),
        ..products("western.csv")
    };
    assert_eq!(records(told), packed);
    let separated = DatasetConfig {
        format: Some(Format::Csv),
        separator: Some(String::from("^").try_into().unwrap()),
        ..products("caret.txt")
    };
    assert_eq!(records(separated), packed);
}

#[test]
fn a_query_of_sqlite_gives_records_with_their_types() {
    let sql = "SELECT product.sku, title, kind, price, on_sale, since, pieces, NULL AS empty
        FROM product JOIN sold USING (sku) ORDER BY sku";
    let config = DatasetConfig {
        url: Some(
            format!("sqlite:{}", fixture("shop.db").display())
                .try_into()
                .unwrap(),
        ),
        sql: Some(sql.into()),
        ..products("")
    };
    insta::assert_snapshot!(records(config));
}

//! Forms with a file in them (`multipart/form-data`).

use memchr::memmem;

/// One field of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'f> {
    pub name: &'f str,
    /// It is a file, with this name.
    pub file_name: Option<&'f str>,
    pub content: &'f [u8],
}

/// The fields of a form, or `None` if this is none.
pub fn fields<'f>(content_type: &str, body: &'f [u8]) -> Option<Vec<Field<'f>>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters
        .split(';')
        .find_map(|parameter| parameter.trim().strip_prefix("boundary="))?
        .trim_matches('"');
    let mark = format!("\r\n--{boundary}");
    let first = mark.get(2..)?.as_bytes();
    let mut rest = body.strip_prefix(first)?;
    let finder = memmem::Finder::new(mark.as_bytes());
    let mut fields = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(fields);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let end = finder.find(rest)?;
        let (part, after) = rest.split_at_checked(end)?;
        fields.push(field(part)?);
        rest = after.get(mark.len()..)?;
    }
}

fn field(part: &[u8]) -> Option<Field<'_>> {
    let end = memmem::find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(part.get(..end)?).ok()?;
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    let parameter = |wanted: &str| {
        disposition.split(';').find_map(|parameter| {
            let (name, value) = parameter.trim().split_once('=')?;
            (name == wanted).then(|| value.trim_matches('"'))
        })
    };
    Some(Field {
        name: parameter("name")?,
        file_name: parameter("filename"),
        content: part.get(end + 4..)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\nContent-Type: text/plain\r\n\r\n\
        {}\n\r\n--x--\r\n";

    #[test]
    fn fields_are_found() {
        let fields = fields("multipart/form-data; boundary=x", FORM.as_bytes()).unwrap();
        let found: Vec<_> = fields
            .iter()
            .map(|field| (field.name, field.file_name, field.content))
            .collect();
        assert_eq!(
            found,
            [
                ("purpose", None, b"batch".as_slice()),
                ("file", Some("a.jsonl"), b"{}\n".as_slice())
            ]
        );
    }

    #[test]
    fn what_is_cut_off_is_no_form() {
        for end in 0..FORM.len() - 4 {
            assert_eq!(
                fields("multipart/form-data; boundary=x", &FORM.as_bytes()[..end]),
                None
            );
        }
        assert_eq!(fields("application/json", FORM.as_bytes()), None);
    }
}

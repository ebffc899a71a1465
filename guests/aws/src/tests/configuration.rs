//! What the variables of a deployment say, and what is wrong with them.

use expect_test::expect;

use super::{SECRET_KEY, aws_with};
use crate::Aws;

const ALL: [(&str, &str); 3] =
    [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")];

/// The error of a deployment in which one variable is another.
fn refused(changed: (&str, &str)) -> String {
    let value = |name: &str| {
        let all = [[changed].as_slice(), &ALL].concat();
        all.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    let error = Aws::from_variables(value).expect_err("something is wrong");
    format!("{error}\n")
}

#[test]
fn an_error_names_the_variable_and_what_to_do() {
    let errors = [
        ("AWS_REGION", ""),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_REGION", "example.com/"),
        ("AWS_ENDPOINT", "localhost:5000"),
        ("AWS_ENDPOINT", "http://ann:password@localhost:5000"),
        ("AWS_ENDPOINT_URL", "http://localhost:5000/aws"),
    ];
    expect![[r#"
        AWS_REGION is not set for this component; set it in holiday.toml under [env], as in AWS_REGION = "eu-central-1"
        AWS_ACCESS_KEY_ID is not set for this component; set it in holiday.toml under [env], as in AWS_ACCESS_KEY_ID = { secret-env = "AWS_ACCESS_KEY_ID" }
        AWS_SECRET_ACCESS_KEY is not set for this component; set it in holiday.toml under [env], as in AWS_SECRET_ACCESS_KEY = { secret-env = "AWS_SECRET_ACCESS_KEY" }
        AWS_REGION is 'example.com/'; set it to the name of a region, such as eu-central-1
        AWS_ENDPOINT is 'localhost:5000'; set it to a scheme and a host, such as http://127.0.0.1:5000
        AWS_ENDPOINT is 'localhost:5000'; set it to a scheme and a host, such as http://127.0.0.1:5000
        AWS_ENDPOINT_URL is 'http://localhost:5000/aws'; set it to a scheme and a host, such as http://127.0.0.1:5000
    "#]]
    .assert_eq(&errors.map(refused).concat());
}

#[test]
fn services_are_where_amazon_has_them() {
    let mut places = String::new();
    for region in ["eu-central-1", "cn-north-1", "us-gov-east-1"] {
        let aws = aws_with(&[("AWS_REGION", region)]);
        for service in ["dynamodb", "iam"] {
            let place = aws.place(service);
            places += &format!("{} {} {}\n", aws.partition(), place.url, place.region);
        }
    }
    expect![[r#"
        aws https://dynamodb.eu-central-1.amazonaws.com eu-central-1
        aws https://iam.amazonaws.com us-east-1
        aws-cn https://dynamodb.cn-north-1.amazonaws.com.cn cn-north-1
        aws-cn https://iam.cn-north-1.amazonaws.com.cn cn-north-1
        aws-us-gov https://dynamodb.us-gov-east-1.amazonaws.com us-gov-east-1
        aws-us-gov https://iam.us-gov.amazonaws.com us-gov-west-1
    "#]]
    .assert_eq(&places);
}

#[test]
fn an_endpoint_takes_their_place() {
    let url = |variables: &[(&str, &str)]| aws_with(variables).place("iam").url;
    let (first, second) =
        (("AWS_ENDPOINT", "http://127.0.0.1:1/"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:2"));
    assert_eq!(url(&[second]), "http://127.0.0.1:2");
    assert_eq!(url(&[second, first]), "http://127.0.0.1:1");
    assert_eq!(url(&[("AWS_ENDPOINT", ""), second]), "http://127.0.0.1:2");
}

#[test]
fn credentials_are_not_shown() {
    let aws = aws_with(&[("AWS_SESSION_TOKEN", "token")]);
    let shown = format!("{aws:?} {:?}", aws.dynamodb());
    assert!(shown.contains("eu-central-1"), "{shown}");
    assert!(!shown.contains("AKID") && !shown.contains(SECRET_KEY) && !shown.contains("token"), "{shown}");
}
